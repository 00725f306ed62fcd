/** SEMANTICS 3: persons merged and un-merged by hand. */
import { describe, expect, test } from 'vitest';
import { rebuild } from '../../src/derive/index.ts';
import { prepareTwins } from '../../src/derive/rebuild-twins.ts';
import { openSession } from '../../src/derive/session.ts';
import { mergePersons } from '../../src/persons/merge.ts';
import { unmergePerson, type UnmergeOptions } from '../../src/persons/unmerge.ts';
import { database, useSite } from './fixture.ts';
import { expectVerified } from './views.ts';

const { given, rowsOf, siteId } = useSite();

const at = (minute: number): string => `2026-01-05T10:${String(minute).padStart(2, '0')}Z`;
const asOf = '2026-01-05T12:00Z';
const mail = { identities: { email_sha256: 'aa'.repeat(32) }, is_trusted: true } as const;
const cart = { name: 'add_to_cart', properties: { items: [{ item_id: 'a' }] } };

async function personOf(value: string): Promise<string> {
  const rows = (await rowsOf('identities')).filter((row) => row['value'] === value);
  return String(rows.at(-1)?.['person_id']);
}

async function causeOf(value: string): Promise<unknown> {
  return (await rowsOf('identities')).find((row) => row['value'] === value)?.['cause'];
}

/** Merges, and compares with the reference model. */
async function merge(one: string, other: string) {
  const receipt = await mergePersons(database.pool, {
    siteId: siteId(),
    from: await personOf(one),
    into: await personOf(other),
    author: 'desk',
    note: 'one and the same',
  });
  await given.asOf(asOf);
  return receipt;
}

/** Un-merges, and compares with the reference model and with a rebuild. */
async function unmerge(person: string, what: Partial<UnmergeOptions> = {}) {
  const receipt = await unmergePerson(database.pool, {
    siteId: siteId(),
    personId: person,
    author: 'desk',
    ...what,
  });
  await given.asOf(asOf);
  await expectVerified(database.pool);
  return receipt;
}

async function newChanges(after = 0) {
  const { rows } = await database.pool.query<Record<string, unknown>>(
    `select cursor::integer, type, person_id, subject_id, origin, before, after from journey.changes
     where site_id = $1 and cursor > $2 order by cursor`,
    [siteId(), after],
  );
  return rows;
}

const lastCursor = async (): Promise<number> => Number((await newChanges()).at(-1)?.['cursor'] ?? 0);

describe('a merge', () => {
  test('of two user ids has no date: one anchor survives, and every view answers as if from the start', async () => {
    await given.touchpoints([
      { at: at(0), anonymous_id: 'phone', user_id: 'old', ...cart },
      { at: at(1), anonymous_id: 'laptop', user_id: 'new', name: 'login' },
    ]);
    const [old, now] = [await personOf('old'), await personOf('new')];
    expect(await merge('old', 'new')).toMatchObject({ from: old, into: now });
    expect(await rowsOf('persons')).toMatchObject([{ person_id: now, user_id: 'new' }]);
    expect(await rowsOf('carts')).toMatchObject([{ person_id: now }]);
    expect(await personOf('phone')).toBe(now);
    expect(await causeOf('old')).toBe('manual');
    expect((await rowsOf('identities')).find(({ value }) => value === 'old')).toMatchObject({
      former_person_id: old,
    });
  });

  test('with an anonymous person keeps the one with the user id, whichever was named first', async () => {
    await given.touchpoints([
      { at: at(0), anonymous_id: 'phone' },
      { at: at(1), user_id: 'ada', name: 'login' },
    ]);
    const [phone, ada] = [await personOf('phone'), await personOf('ada')];
    expect(await merge('ada', 'phone')).toMatchObject({ from: phone, into: ada });
    expect(await rowsOf('persons')).toMatchObject([{ person_id: ada }]);
    expect(await causeOf('phone')).toBe('manual');
  });

  test('of two anonymous persons keeps the one seen first', async () => {
    await given.touchpoints([
      { at: at(0), anonymous_id: 'phone' },
      { at: at(1), anonymous_id: 'laptop' },
    ]);
    const [phone, laptop] = [await personOf('phone'), await personOf('laptop')];
    expect(await merge('phone', 'laptop')).toMatchObject({ from: laptop, into: phone });
    expect(await causeOf('laptop')).toBe('manual');
    // a late touchpoint turns it round
    await given.touchpoints([{ at: '2026-01-05T09:00Z', anonymous_id: 'laptop' }], { asOf });
    expect(await rowsOf('persons')).toMatchObject([{ person_id: laptop }]);
  });

  test('says `person.merged {from, into}` before any other change of it, with origin `merge`', async () => {
    await given.touchpoints([
      { at: at(0), user_id: 'old', name: 'add_to_cart', properties: cart.properties },
      { at: at(1), user_id: 'new', name: 'login' },
    ]);
    const [old, now] = [await personOf('old'), await personOf('new')];
    await given.asOf(asOf);
    const before = await lastCursor();
    await merge('old', 'new');
    const changes = await newChanges(before);
    expect(changes[0]).toMatchObject({
      type: 'person.merged',
      person_id: now,
      origin: 'merge',
      before: { from: old },
      after: { into: now },
    });
    expect(changes.map(({ type }) => type)).toContain('stage.changed');
    expect(new Set(changes.map(({ origin }) => origin))).toEqual(new Set(['merge']));
    expect(new Set(changes.map(({ person_id }) => person_id))).toEqual(new Set([now]));
  });

  test('never re-writes raw touchpoints, and is an input with its author', async () => {
    await given.touchpoints([
      { at: at(0), user_id: 'old', name: 'login' },
      { at: at(1), user_id: 'new', name: 'login' },
    ]);
    const raw = () =>
      database.pool.query('select * from store.touchpoints where site_id = $1 order by touchpoint_id', [
        siteId(),
      ]);
    const { rows: before } = await raw();
    await merge('old', 'new');
    expect((await raw()).rows).toEqual(before);
    const { rows } = await database.pool.query(
      'select correction, author, note, corrected_at from store.identity_corrections where site_id = $1',
      [siteId()],
    );
    expect(rows).toEqual([
      { correction: 'merge', author: 'desk', note: 'one and the same', corrected_at: expect.any(Date) },
    ]);
  });

  test('takes along all that was the person’s, beyond the limits', async () => {
    await given.settings({ identity_limits: { anonymous_id: 1, email_sha256: 1 } });
    await given.touchpoints([
      { at: at(0), anonymous_id: 'phone', user_id: 'old' },
      { at: at(1), anonymous_id: 'laptop', user_id: 'new' },
      { at: at(2), anonymous_id: 'car', ...mail },
    ]);
    await merge('old', 'new');
    await merge('car', 'new');
    expect(await rowsOf('persons')).toHaveLength(1);
  });

  test('is refused whole where a set would hold more identities than it may', async () => {
    await given.settings({ identity_set_limit: 2 });
    await given.touchpoints([
      { at: at(0), user_id: 'a', name: 'login' },
      { at: at(1), user_id: 'b', name: 'login' },
      { at: at(2), user_id: 'c', name: 'login' },
    ]);
    await merge('a', 'b');
    await expect(merge('b', 'c')).rejects.toThrow('identity_set_limit');
    expect(await rowsOf('persons')).toHaveLength(2);
    await expect(merge('a', 'b')).rejects.toThrow('one person already');
  });
});

describe('an un-merge gives the former id back', () => {
  test('of a user id merged by hand, and tells of it first', async () => {
    await given.touchpoints([
      { at: at(0), anonymous_id: 'phone', user_id: 'old', ...cart },
      { at: at(1), user_id: 'new', name: 'login' },
    ]);
    const [old, now] = [await personOf('old'), await personOf('new')];
    const before = await rowsOf('persons');
    await merge('old', 'new');
    const cursor = await lastCursor();
    expect(await unmerge(now, { formerPersonId: old })).toMatchObject({
      person_id: now,
      former_person_id: old,
    });
    expect(await rowsOf('persons')).toEqual(before);
    expect(await personOf('phone')).toBe(old);
    expect(await rowsOf('carts')).toMatchObject([{ person_id: old }]);
    const [first, ...others] = await newChanges(cursor);
    expect(first).toMatchObject({
      type: 'person.changed',
      person_id: old,
      origin: 'merge',
      before: { merged_into: now },
      after: { unmerged_from: now, user_id: 'old' },
    });
    expect(others).toMatchObject(others.map(() => ({ origin: 'merge' })));
    expect(others).toContainEqual(expect.objectContaining({ type: 'stage.changed', person_id: now }));
    expect(others).toContainEqual(expect.objectContaining({ type: 'stage.changed', person_id: old }));
  });

  test.each([
    { what: 'by its former id alone', how: 'former' },
    { what: 'of what was merged by hand, where that is one thing', how: 'nothing' },
    { what: 'by the identity', how: 'identity' },
  ])('$what', async ({ how }) => {
    await given.touchpoints([
      { at: at(0), anonymous_id: 'phone' },
      { at: at(1), anonymous_id: 'laptop', user_id: 'ada' },
    ]);
    const [phone, ada] = [await personOf('phone'), await personOf('ada')];
    await merge('phone', 'ada');
    const identity = { type: 'anonymous_id', value: 'phone' };
    await unmerge(how === 'former' ? phone : ada, how === 'identity' ? { identity } : {});
    expect(await personOf('phone')).toBe(phone);
    expect(await personOf('laptop')).toBe(ada);
  });

  test('of a browser joined by itself: only what carries the user id stays the user’s', async () => {
    await given.touchpoints([
      { at: at(0), anonymous_id: 'kiosk' },
      { at: at(1), anonymous_id: 'kiosk', user_id: 'ada' },
      { at: at(2), anonymous_id: 'kiosk' },
    ]);
    const ada = await personOf('ada');
    await unmerge(ada, { identity: { type: 'anonymous_id', value: 'kiosk' } });
    expect((await rowsOf('touchpoints')).filter(({ person_id }) => person_id === ada)).toHaveLength(1);
    expect(await rowsOf('persons')).toHaveLength(2);
    // also for what comes later
    await given.touchpoints(
      [
        { at: at(5), anonymous_id: 'kiosk', user_id: 'ada' },
        { at: at(6), anonymous_id: 'kiosk' },
      ],
      { asOf },
    );
    expect((await rowsOf('touchpoints')).filter(({ person_id }) => person_id === ada)).toHaveLength(2);
  });

  test('of a browser that shared an e-mail hash', async () => {
    await given.touchpoints([
      { at: at(0), anonymous_id: 'phone' },
      { at: at(1), anonymous_id: 'laptop' },
    ]);
    const [phone, laptop] = [await personOf('phone'), await personOf('laptop')];
    await given.touchpoints(
      [
        { at: at(2), anonymous_id: 'phone', ...mail },
        { at: at(3), anonymous_id: 'laptop', ...mail },
      ],
      { asOf },
    );
    expect(await rowsOf('persons')).toHaveLength(1);
    expect(await unmerge(phone, { formerPersonId: laptop })).toMatchObject({
      links: [{ kind: 'share', identity: { value: 'laptop' }, other: { type: 'email_sha256' } }],
    });
    expect(await personOf('laptop')).toBe(laptop);
    expect(await personOf('aa'.repeat(32))).toBe(phone);
  });

  test('of a user id that an alias had merged', async () => {
    await given.touchpoints([
      { at: at(0), user_id: 'old', name: 'login' },
      { at: at(1), type: 'alias', is_trusted: true, source: 'server', previous_id: 'old', user_id: 'new' },
    ]);
    const old = (await rowsOf('identities')).find(({ value }) => value === 'old')?.['former_person_id'];
    await unmerge(await personOf('new'), { formerPersonId: String(old) });
    expect(await personOf('old')).toBe(old);
  });

  test('and a later merge counts again', async () => {
    await given.touchpoints([
      { at: at(0), user_id: 'old', name: 'login' },
      { at: at(1), user_id: 'new', name: 'login' },
    ]);
    const [old, now] = [await personOf('old'), await personOf('new')];
    await merge('old', 'new');
    await unmerge(old);
    await merge('new', 'old');
    expect(await rowsOf('persons')).toMatchObject([{ person_id: old }]);
    await unmerge(now);
    expect(await rowsOf('persons')).toHaveLength(2);
  });
});

test('a single link is severed where two identities are named', async () => {
  await given.touchpoints([
    { at: at(0), anonymous_id: 'kiosk' },
    { at: at(1), anonymous_id: 'kiosk', user_id: 'one' },
    { at: at(2), anonymous_id: 'kiosk', user_id: 'two' },
  ]);
  const [one, two] = [await personOf('one'), await personOf('two')];
  await unmerge(one, {
    identity: { type: 'anonymous_id', value: 'kiosk' },
    apartFrom: { type: 'user_id', value: 'one' },
  });
  // its past is the next user's, since nobody took that link back
  const [first] = (await rowsOf('touchpoints')).filter(
    ({ occurred_at }) => occurred_at === '2026-01-05T10:00:00.000Z',
  );
  expect(first).toMatchObject({ person_id: two });
});

test('what cannot be undone says why', async () => {
  await given.touchpoints([
    { at: at(0), user_id: 'ada', name: 'login' },
    { at: at(1), anonymous_id: 'phone', user_id: 'bob' },
    { at: at(1), anonymous_id: 'laptop', user_id: 'bob' },
  ]);
  const [ada, bob] = [await personOf('ada'), await personOf('bob')];
  await expect(unmerge(ada)).rejects.toThrow('nobody was joined into this person');
  await expect(unmerge(bob)).rejects.toThrow(/say which of them to give back, as former_person_id: .+, .+/);
  await expect(unmerge(bob, { formerPersonId: ada })).rejects.toThrow('nobody of that id');
  await expect(unmerge('00000000-0000-8000-8000-000000000000')).rejects.toThrow('has no person');
});

test('what is said while the site is derived again is in what is switched to', async () => {
  await given.touchpoints([
    { at: at(0), anonymous_id: 'phone', user_id: 'old', ...cart },
    { at: at(1), user_id: 'new', name: 'login' },
    { at: at(2), anonymous_id: 'laptop', ...mail },
    { at: at(3), anonymous_id: 'tablet' },
    { at: at(4), anonymous_id: 'car', ...mail },
    { at: at(5), anonymous_id: 'watch' },
  ]);
  await merge('old', 'new');
  const { pool } = database;
  await pool.query('insert into store.rederivations (site_id) values ($1)', [siteId()]);
  await prepareTwins(pool);
  const worker = await openSession(pool, 'rebuild, store, pg_temp');
  for (let phase = ''; phase !== 'sums';) {
    const { rows } = await worker.query<{ phase: string }>('select phase from store.rederive($1)', [
      siteId(),
    ]);
    phase = rows[0]!.phase;
  }
  await worker.end();
  await unmerge(await personOf('new'));
  await unmerge(await personOf('laptop'), { identity: { type: 'anonymous_id', value: 'car' } });
  await merge('tablet', 'watch');
  await merge('laptop', 'new');
  expect(await rebuild(pool, { siteId: siteId(), workers: 1 })).toBe(0);
  await expectVerified(pool);
});
