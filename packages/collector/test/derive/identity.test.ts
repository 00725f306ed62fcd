import { describe, expect, test } from 'vitest';
import { useSite } from './fixture.ts';

const { given, rowsOf } = useSite();

/** Whose each touchpoint is, in time order: the user id, or the anonymous person. */
async function owners(): Promise<unknown[]> {
  const persons = await rowsOf('persons');
  const touchpoints = await rowsOf('touchpoints');
  return touchpoints
    .sort((a, b) => (String(a['occurred_at']) < String(b['occurred_at']) ? -1 : 1))
    .map(({ person_id }) => persons.find((person) => person['person_id'] === person_id)?.['user_id']);
}

async function spellsOf(value: string) {
  const rows = (await rowsOf('identities')).filter((row) => row['value'] === value);
  return rows.sort((a, b) => (String(a['valid_from']) < String(b['valid_from']) ? -1 : 1));
}

const browser = { anonymous_id: 'browser' };

describe('a touchpoint belongs', () => {
  test('to its own user_id, which always decides', async () => {
    await given.touchpoints([
      { ...browser, at: '2026-01-05T10:00Z', user_id: 'u1' },
      { ...browser, at: '2026-01-05T10:01Z', user_id: 'u2' },
      { ...browser, at: '2026-01-05T10:02Z', user_id: 'u1' },
    ]);
    expect(await owners()).toEqual(['u1', 'u2', 'u1']);
  });

  test('with only an anonymous id to the user last seen with it at or before it', async () => {
    await given.touchpoints([
      { ...browser, at: '2026-01-05T10:00Z', user_id: 'u1' },
      { ...browser, at: '2026-01-05T10:01Z' },
      { ...browser, at: '2026-01-05T10:02Z', user_id: 'u2' },
      { ...browser, at: '2026-01-05T10:03Z' },
    ]);
    expect(await owners()).toEqual(['u1', 'u1', 'u2', 'u2']);
  });

  test('if none yet, to the first user seen with it later: the first user gets the browser’s whole past', async () => {
    await given.touchpoints([
      { ...browser, at: '2026-01-01T10:00Z' },
      { ...browser, at: '2026-01-05T10:01Z', type: 'identify', user_id: 'u1' },
      { ...browser, at: '2026-01-05T10:02Z', type: 'identify', user_id: 'u2' },
    ]);
    expect(await owners()).toEqual(['u1', 'u1', 'u2']);
  });

  test('if none ever, to the identity’s own person', async () => {
    await given.touchpoints([{ ...browser, at: '2026-01-05T10:00Z' }]);
    expect(await owners()).toEqual([null]);
    expect(await rowsOf('persons')).toHaveLength(1);
  });

  test('to the last user after a logout, until another is seen', async () => {
    await given.touchpoints([
      { ...browser, at: '2026-01-05T10:00Z', user_id: 'u1' },
      { ...browser, at: '2026-03-05T10:00Z' },
      { ...browser, at: '2026-03-05T10:01Z', user_id: 'u2' },
    ]);
    expect(await owners()).toEqual(['u1', 'u1', 'u2']);
  });

  test('at one instant by the order of sequence: the user seen before it', async () => {
    await given.touchpoints([
      { ...browser, at: '2026-01-05T10:00Z', user_id: 'u1' },
      { ...browser, at: '2026-01-05T11:00Z', sequence: 2, user_id: 'u2' },
      { ...browser, at: '2026-01-05T11:00Z', sequence: 1 },
    ]);
    const persons = await rowsOf('persons');
    const [u1] = persons.filter((person) => person['user_id'] === 'u1');
    expect(u1).toMatchObject({ last_seen_at: '2026-01-05T11:00:00.000Z' });
  });
});

describe('identities', () => {
  test('a re-assignment is dated and moves nothing older: one row a spell', async () => {
    await given.touchpoints([
      { ...browser, at: '2026-01-05T10:00Z' },
      { ...browser, at: '2026-01-05T10:01Z', user_id: 'u1' },
      { ...browser, at: '2026-01-05T10:02Z' },
      { ...browser, at: '2026-01-05T10:03Z', user_id: 'u2' },
      { ...browser, at: '2026-01-05T10:04Z', user_id: 'u2' },
    ]);
    expect(await spellsOf('browser')).toMatchObject([
      {
        valid_from: '2026-01-05T10:00:00.000Z',
        valid_to: '2026-01-05T10:03:00.000Z',
        first_seen_at: '2026-01-05T10:00:00.000Z',
        last_seen_at: '2026-01-05T10:02:00.000Z',
      },
      {
        valid_from: '2026-01-05T10:03:00.000Z',
        valid_to: null,
        former_person_id: null,
        last_seen_at: '2026-01-05T10:04:00.000Z',
      },
    ]);
  });

  test('a user who comes back to a shared browser opens a third spell', async () => {
    await given.touchpoints([
      { ...browser, at: '2026-01-05T10:00Z', user_id: 'u1' },
      { ...browser, at: '2026-01-05T11:00Z', user_id: 'u2' },
      { ...browser, at: '2026-01-05T12:00Z', user_id: 'u1' },
    ]);
    expect(await spellsOf('browser')).toHaveLength(3);
  });

  test('a user id has exactly one row', async () => {
    await given.touchpoints([
      { at: '2026-01-05T10:00Z', anonymous_id: 'phone', user_id: 'u1' },
      { at: '2026-01-05T11:00Z', anonymous_id: 'laptop', user_id: 'u1' },
    ]);
    expect(await spellsOf('u1')).toMatchObject([{ type: 'user_id', valid_to: null }]);
    expect(await rowsOf('persons')).toHaveLength(1);
  });

  test('two user ids are never merged by a shared browser', async () => {
    await given.touchpoints([
      { ...browser, at: '2026-01-05T10:00Z', user_id: 'u1' },
      { ...browser, at: '2026-01-05T10:01Z', user_id: 'u2' },
    ]);
    expect(new Set((await rowsOf('persons')).map(({ user_id }) => user_id))).toEqual(new Set(['u1', 'u2']));
  });

  test('a join keeps one id, the other is listed as former_person_id', async () => {
    await given.touchpoints([{ ...browser, at: '2026-01-05T10:00Z' }]);
    const [before] = await rowsOf('persons');
    await given.touchpoints([{ ...browser, at: '2026-01-05T10:01Z', user_id: 'u1' }]);
    const [after] = await rowsOf('persons');
    expect(after!['person_id']).not.toBe(before!['person_id']);
    expect(await spellsOf('browser')).toMatchObject([
      { person_id: after!['person_id'], former_person_id: before!['person_id'] },
    ]);
  });

  test('user ids are compared exactly', async () => {
    await given.touchpoints([
      { at: '2026-01-05T10:00Z', user_id: 'Ada' },
      { at: '2026-01-05T10:01Z', user_id: 'ada' },
    ]);
    expect(await rowsOf('persons')).toHaveLength(2);
  });

  test('a worthless id never resolves', async () => {
    await given.touchpoints([
      { at: '2026-01-05T10:00Z', anonymous_id: 'a', user_id: ' Guest ' },
      { at: '2026-01-05T10:01Z', anonymous_id: 'b', user_id: 'guest' },
    ]);
    expect(await owners()).toEqual([null, null]);
  });

  test('a bot’s touchpoint joins nothing', async () => {
    const context = { userAgent: 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' };
    await given.touchpoints([
      { ...browser, at: '2026-01-05T10:00Z' },
      { ...browser, at: '2026-01-05T10:01Z', user_id: 'u1', context },
    ]);
    expect((await rowsOf('persons')).map(({ user_id }) => user_id)).toEqual([null]);
  });
});

test('a late user re-assigns what came after it, and no more', async () => {
  await given.touchpoints([
    { ...browser, at: '2026-01-05T10:00Z', user_id: 'u1' },
    { ...browser, at: '2026-01-05T10:01Z' },
    { ...browser, at: '2026-01-05T10:05Z' },
  ]);
  await given.touchpoints([{ ...browser, at: '2026-01-05T10:03Z', user_id: 'u2' }]);
  expect(await owners()).toEqual(['u1', 'u1', 'u2', 'u2']);
});

test('an earlier first user takes the browser’s past from a later one', async () => {
  await given.touchpoints([
    { ...browser, at: '2026-01-05T10:00Z' },
    { ...browser, at: '2026-01-05T10:05Z', user_id: 'u2' },
  ]);
  await given.touchpoints([{ ...browser, at: '2026-01-05T10:03Z', user_id: 'u1' }]);
  expect(await owners()).toEqual(['u1', 'u1', 'u2']);
});

test('traits: per key the latest value in order; null deletes', async () => {
  const identify = { type: 'identify' as const, user_id: 'u1' };
  await given.touchpoints([
    { ...identify, at: '2026-01-05T10:02Z', traits: { plan: 'pro', city: null } },
    { ...identify, at: '2026-01-05T10:00Z', traits: { plan: 'free', city: 'Bern', size: { shoe: 44 } } },
    { ...identify, at: '2026-01-05T10:01Z', traits: { size: { hat: 58 } } },
  ]);
  expect(await rowsOf('persons')).toMatchObject([{ traits: { plan: 'pro', size: { hat: 58 } } }]);
});

test('an e-mail address is in no view of persons', async () => {
  await given.touchpoints([
    {
      at: '2026-01-05T10:00Z',
      type: 'identify',
      user_id: 'u1',
      traits: { email: 'Ada@example.org', vip: true },
    },
  ]);
  expect(await rowsOf('persons')).toMatchObject([{ traits: { vip: true } }]);
});

test('first_channel is that of the person’s first touchpoint', async () => {
  await given.touchpoints([
    { ...browser, at: '2026-01-05T10:00Z', context: { campaign: { source: 'n', medium: 'email' } } },
    { ...browser, at: '2026-01-06T10:00Z', user_id: 'u1' },
    { at: '2026-01-04T10:00Z', type: 'identify', user_id: 'u1' },
  ]);
  expect(await rowsOf('persons')).toMatchObject([
    {
      first_channel: 'Email',
      first_seen_at: '2026-01-04T10:00:00.000Z',
      last_seen_at: '2026-01-06T10:00:00.000Z',
    },
  ]);
});
