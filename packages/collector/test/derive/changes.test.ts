/** The change feed: every change once, in order per person, and enough to follow the tables by. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { deriveUntilIdle, rebuild } from '../../src/derive/index.ts';
import { database } from './fixture.ts';
import { type Given, makeSite, removeSite, type Site, storeGiven } from './given.ts';
import { choices, deliveryOf, history } from './histories.ts';
import { touchpointsOfHouseholds } from './households.ts';
import { propertyRuns } from '../support/properties.ts';

type Change = {
  cursor: number;
  type: string;
  person_id: string;
  subject_id: string;
  origin: string;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
};

async function changesOf(site: Site, after = 0): Promise<Change[]> {
  const { rows } = await database.pool.query<Change>(
    `select cursor::integer, type, person_id, subject_id, origin, before, after
     from journey.changes where site_id = $1 and cursor > $2 order by cursor`,
    [site.siteId, after],
  );
  return rows;
}

async function withSite(use: (site: Site) => Promise<void>): Promise<void> {
  const site = await makeSite(database.pool);
  try {
    await use(site);
  } finally {
    await removeSite(database.pool, site);
  }
}

/** What a consumer knows who has read the feed from its beginning. */
function followed(changes: Change[]) {
  const stages = new Map<string, unknown>();
  const carts = new Map<string, unknown>();
  const refunded = new Map<string, unknown>();
  for (const { type, person_id: person, subject_id: subject, before, after } of changes) {
    if (type === 'stage.changed') {
      expect(before?.['stage'] ?? null, 'each change goes on from the one before').toEqual(
        (stages.get(person) as { stage?: string } | undefined)?.stage ?? null,
      );
      if (after === null) stages.delete(person);
      else stages.set(person, { stage: after['stage'], journey_number: after['journey_number'] });
    } else if (type === 'person.merged') stages.delete(subject);
    else if (type.startsWith('cart.')) {
      if (after === null) carts.delete(subject);
      else carts.set(subject, after['state']);
    } else if (type.startsWith('order.')) refunded.set(subject, after?.['refunded']);
  }
  const sorted = (map: Map<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return { stages: sorted(stages), carts: sorted(carts), refunded: sorted(refunded) };
}

async function tablesOf(site: Site) {
  const { pool } = database;
  const { rows: stages } = await pool.query(
    `select person_id, stage, journey_number from journey.current_stages where site_id = $1 order by person_id::text`,
    [site.siteId],
  );
  const { rows: carts } = await pool.query(
    'select cart_key, state from journey.carts where site_id = $1 order by cart_key::text',
    [site.siteId],
  );
  const { rows: orders } = await pool.query<{ order_id: string; refunded: number }>(
    'select order_id, refunded::float8 from journey.orders where site_id = $1 order by order_id collate "C"',
    [site.siteId],
  );
  return {
    stages: stages.map((row) => [row.person_id, { stage: row.stage, journey_number: row.journey_number }]),
    carts: carts.map((row) => [row.cart_key, row.state]),
    refunded: orders.map((row) => [row.order_id, row.refunded]),
  };
}

const { runs, timeout } = propertyRuns();

test(
  'whoever reads every change knows what the tables say, however the touchpoints arrived',
  async () => {
    await fc.assert(
      fc.asyncProperty(history(40), choices, async (touchpoints, how) => {
        await withSite(async (site) => {
          const { parts, instants } = deliveryOf(touchpoints, how);
          for (const [index, part] of parts.entries()) {
            await storeGiven(database.pool, site, part);
            await database.derive(instants[index]!);
          }
          const changes = await changesOf(site);
          expect(changes.map(({ cursor }) => cursor)).toEqual(changes.map((_, index) => index + 1));
          expect(followed(changes)).toEqual(await tablesOf(site));
        });
      }),
      runs,
    );
  },
  timeout,
);

test('a rebuild that finds nothing different writes nothing', async () => {
  await withSite(async (site) => {
    await storeGiven(database.pool, site, touchpointsOfHouseholds(3));
    await database.derive(Date.UTC(2026, 5, 1));
    const before = await changesOf(site);
    await rebuild(database.pool);
    expect(await changesOf(site)).toEqual(before);
    expect(before.length).toBeGreaterThan(0);
  });
});

test('a consumer that pages while four writers write sees each row once, and none is skipped', async () => {
  await withSite(async (site) => {
    const { pool } = database;
    const touchpoints = touchpointsOfHouseholds(12);
    const laneOf = ({ anonymous_id: visitor, user_id: user }: Given) => {
      const identity = visitor ?? user!;
      return identity.charCodeAt(identity.length - 1) % 4;
    };
    const progress = { isWriting: true };
    const derivers = [0, 1].map(async () => {
      while (progress.isWriting) await deriveUntilIdle(pool, { asOf: new Date(0) });
    });
    const seen: Change[] = [];
    const read = async () => seen.push(...(await changesOf(site, seen.at(-1)?.cursor ?? 0)));
    const reading = (async () => {
      while (progress.isWriting) await read();
    })();
    await Promise.all(
      [0, 1, 2, 3].map(async (lane) => {
        const own = touchpoints.filter((touchpoint) => laneOf(touchpoint) === lane).toReversed();
        for (let from = 0; from < own.length; from += 40) {
          await storeGiven(pool, site, own.slice(from, from + 40), { lane });
        }
      }),
    );
    progress.isWriting = false;
    await Promise.all([...derivers, reading]);
    await deriveUntilIdle(pool, { asOf: new Date(0) });
    await read();
    expect(seen).toEqual(await changesOf(site));
    expect(seen.map(({ cursor }) => cursor)).toEqual(seen.map((_, index) => index + 1));
    expect(followed(seen).stages).toEqual((await tablesOf(site)).stages);
  });
}, 120_000);

const at = (minute: number) => Date.UTC(2026, 2, 1, 12, minute);

async function told(site: Site, touchpoints: Given[]): Promise<Change[]> {
  const { rows } = await database.pool.query<{ last: number }>(
    'select coalesce(max(cursor), 0)::integer as last from journey.changes where site_id = $1',
    [site.siteId],
  );
  await storeGiven(database.pool, site, touchpoints);
  await database.derive(Math.max(...touchpoints.map(({ at: time }) => Number(time))) + 1);
  return changesOf(site, rows[0]!.last);
}

test('stage.changed only if the present stage, journey or since-date changed; a change in the past alone is transition.corrected', async () => {
  await withSite(async (site) => {
    const first = await told(site, [
      { at: at(10), name: 'view_item', anonymous_id: 'a' },
      {
        at: at(20),
        name: 'add_to_cart',
        anonymous_id: 'a',
        properties: { items: [{ item_id: 'x', price: 2 }] },
      },
    ]);
    expect(first.filter(({ type }) => type === 'stage.changed')).toMatchObject([
      { origin: 'live', before: null, after: { stage: 'decision', transition: { signal: 'decide' } } },
    ]);
    const late = await told(site, [{ at: at(5), name: 'page_view', anonymous_id: 'a' }]);
    expect(late.map(({ type, origin }) => [type, origin])).toEqual([['transition.corrected', 'late']]);
    expect(late[0]!.after).toContainEqual(expect.objectContaining({ to_stage: 'awareness' }));
    expect(await told(site, [{ at: at(30), name: 'page_view', anonymous_id: 'a' }])).toEqual([]);
  });
});

test('person.merged {from, into} comes before any other change of the survivor', async () => {
  await withSite(async (site) => {
    const before = await told(site, [
      { at: at(1), name: 'view_item', anonymous_id: 'a' },
      { at: at(2), name: 'page_view', anonymous_id: 'b', user_id: 'u' },
    ]);
    const visitor = before.find(({ after }) => after?.['stage'] === 'consideration')!.person_id;
    const user = before.find(({ after }) => after?.['stage'] === 'awareness')!.person_id;
    const joined = await told(site, [
      { at: at(3), name: 'page_view', anonymous_id: 'a', user_id: 'u', traits: { plan: 'gold' } },
    ]);
    expect(joined[0]).toMatchObject({
      type: 'person.merged',
      person_id: user,
      subject_id: visitor,
      before: { from: visitor },
      after: { into: user },
    });
    expect(joined.slice(1).map(({ person_id: person, origin }) => [person, origin])).toEqual(
      joined.slice(1).map(() => [user, 'merge']),
    );
    expect(joined.map(({ type }) => type)).toContain('stage.changed');
    expect(joined.find(({ type }) => type === 'person.changed')?.after).toMatchObject({
      traits: { plan: 'gold' },
    });
  });
});

test('order.placed once, order.refunded with what it was before, cart.changed, feedback.received', async () => {
  await withSite(async (site) => {
    const items = [{ item_id: 'x', price: 10, quantity: 2 }];
    const bought = await told(site, [
      {
        at: at(1),
        name: 'add_to_cart',
        anonymous_id: 'a',
        properties: { cart_id: 'c', currency: 'EUR', items },
      },
      {
        at: at(2),
        name: 'purchase',
        anonymous_id: 'a',
        properties: { transaction_id: 'T', cart_id: 'c', value: 20, currency: 'EUR', items },
      },
    ]);
    expect(bought.map(({ type }) => type).sort()).toEqual(['cart.changed', 'order.placed', 'stage.changed']);
    expect(bought.find(({ type }) => type === 'order.placed')).toMatchObject({
      subject_id: 'T',
      after: { gross: 20, net: 20, currency: 'EUR' },
    });
    const again = await told(site, [
      {
        at: at(3),
        name: 'purchase',
        user_id: 'u',
        source: 'server',
        is_trusted: true,
        properties: { transaction_id: 'T', value: 20 },
      },
    ]);
    expect(again.filter(({ type }) => type === 'order.placed')).toEqual([]);
    const refunded = await told(site, [
      {
        at: at(4),
        name: 'refund',
        user_id: 'u',
        source: 'server',
        is_trusted: true,
        properties: { transaction_id: 'T', value: 5 },
      },
    ]);
    expect(refunded.filter(({ type }) => type === 'order.refunded')).toMatchObject([
      { before: { refunded: 0 }, after: { refunded: 5, net: 15 } },
    ]);
    const feedback = await told(site, [
      { at: at(5), name: 'survey_answered', anonymous_id: 'a', properties: { kind: 'nps', score: 10 } },
    ]);
    expect(feedback.find(({ type }) => type === 'feedback.received')?.after).toMatchObject({ score: 10 });
  });
});

test('changes older than the site keeps them are dropped from the beginning', async () => {
  await withSite(async (site) => {
    await told(site, [{ at: at(1), anonymous_id: 'a' }]);
    await told(site, [{ at: at(2), name: 'view_item', anonymous_id: 'a' }]);
    const drop = async (now: number) =>
      database.pool.query('select store.drop_old_changes($1, 10000)', [new Date(now)]);
    await drop(Date.now() + 89 * 86_400_000);
    expect(await changesOf(site)).toHaveLength(2);
    await drop(Date.now() + 91 * 86_400_000);
    expect(await changesOf(site)).toHaveLength(0);
    const next = await told(site, [{ at: at(3), name: 'add_to_cart', anonymous_id: 'a' }]);
    expect(next.map(({ cursor }) => cursor)[0]).toBe(3);
  });
});
