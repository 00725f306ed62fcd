/** Touchpoints that a site keeps no longer go; what later answers hang on stays. */
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SiteSettings, updateSite } from '../../src/database/sites.ts';
import { rebuild } from '../../src/derive/index.ts';
import { applyModel } from '../../src/models/apply.ts';
import { readModel } from '../../src/models/shipped.ts';
import { day } from '../reference/inputs.ts';
import type { Row } from '../reference/model.ts';
import { database, useSite } from './fixture.ts';
import { type Given, makeSite, removeSite, type Site, storeGiven } from './given.ts';
import { choices, deliveryOf, history, someSettings, whoIsWho } from './histories.ts';
import { expectVerified, rowsOfViews, textOfViews, viewNames } from './views.ts';
import { propertyRuns } from '../support/properties.ts';

const { given, rowsOf, siteId } = useSite();

let session: pg.Client;
beforeAll(async () => {
  session = await database.session();
});
afterAll(() => session.end());

const { runs, timeout } = propertyRuns(10);

/** Drops what happened before. Answers how many touchpoints went. */
async function cut(site: { siteId: number }, at: number): Promise<number> {
  const { rows } = await session.query<{ count: string }>('select store.retain($1, $2) as count', [
    site.siteId,
    new Date(at),
  ]);
  return Number(rows[0]?.count);
}

// Every row of these stays as it was. Of the others rows go, and none changes.
const untouched = [
  'account_members',
  'accounts',
  'conversion_metrics',
  'current_stages',
  'funnel_stages',
  'identities',
  'identity_links',
  'orders',
  'persons',
  'stage_metrics',
  'visitors',
  'waiting_refunds',
];

/** What is left of a view's rows before the cut: all that did not end before it. */
const remains: Record<string, (row: Row, from: number) => boolean> = {
  sessions: (row, from) => Date.parse(String(row['ended_at'])) >= from,
  stage_transitions: (row, from) => Date.parse(String(row['occurred_at'])) >= from,
  carts: (row, from) => Date.parse(String(row['last_activity_at'])) >= from,
  abandoned_carts: () => true,
  conversions: (row, from) => Date.parse(String(row['occurred_at'])) >= from,
};

function expectOnlyGone(
  before: Record<string, string[]>,
  after: Record<string, string[]>,
  from: number,
): void {
  const pick = (views: Record<string, string[]>) =>
    Object.fromEntries(untouched.filter((name) => views[name]).map((name) => [name, views[name]]));
  expect(pick(after)).toEqual(pick(before));
  for (const [view, isLeft] of Object.entries(remains)) {
    expect(before[view], view).toEqual(expect.arrayContaining(after[view]!));
    const left = before[view]!.filter((row) => isLeft(JSON.parse(row) as Row, from));
    expect(after[view], view).toEqual(expect.arrayContaining(left));
  }
}

function endOf(touchpoints: Given[]): number {
  return Math.max(...touchpoints.map((touchpoint) => Number(touchpoint.at)));
}

async function withSite(settings: SiteSettings, use: (site: Site) => Promise<void>): Promise<void> {
  const site = await makeSite(database.pool, settings);
  try {
    await use(site);
  } finally {
    await removeSite(database.pool, site);
  }
}

const share = fc.double({ min: 0.1, max: 1, noNaN: true });

/** An instant between the first of some touchpoints and the last, at the beginning of a day. */
function within(touchpoints: Given[], part: number): number {
  const first = Math.min(...touchpoints.map(({ at }) => Number(at)));
  return Math.ceil((first + (endOf(touchpoints) - first) * part) / day) * day;
}

test(
  'a purge changes no answer about what is kept, and verify and a rebuild find nothing',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(history(50), whoIsWho(40)),
        someSettings,
        share,
        async (touchpoints, settings, part) => {
          await withSite(settings, async (site) => {
            const asOf = endOf(touchpoints) + day;
            await storeGiven(database.pool, site, touchpoints);
            await database.derive(asOf);
            const before = await textOfViews(database.pool, site);
            const at = within(touchpoints, part);
            await cut(site, at);
            const after = await textOfViews(database.pool, site);
            expectOnlyGone(before, after, at);
            await expectVerified(database.pool);
            await rebuild(database.pool, { siteId: site.siteId });
            expect(await textOfViews(database.pool, site)).toEqual(after);
          });
        },
      ),
      runs,
    );
  },
  timeout,
);

test(
  'what comes after a purge is derived from what was kept, in whatever order it arrives',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(history(60), whoIsWho(40)),
        someSettings,
        share,
        choices,
        async (touchpoints, settings, part, how) => {
          await withSite(settings, async (site) => {
            const at = within(touchpoints, part);
            const asOf = endOf(touchpoints) + day;
            const early = touchpoints.filter((touchpoint) => Number(touchpoint.at) < at);
            const late = touchpoints.filter((touchpoint) => Number(touchpoint.at) >= at);
            await storeGiven(database.pool, site, early);
            await database.derive(at);
            await cut(site, at);
            const { parts, instants } = deliveryOf(late, how);
            for (const [index, some] of parts.entries()) {
              await storeGiven(database.pool, site, some);
              await database.derive(Math.max(at, instants[index]!));
            }
            await database.derive(asOf);
            await expectVerified(database.pool);
            // A second cut builds on the first.
            const again = within(touchpoints, (part + 1) / 2);
            const before = await textOfViews(database.pool, site);
            await cut(site, again);
            expectOnlyGone(before, await textOfViews(database.pool, site), again);
            await expectVerified(database.pool);
          });
        },
      ),
      runs,
    );
  },
  timeout,
);

const ada = (at: string, name = 'page_view', more: Partial<Given> = {}): Given => ({
  anonymous_id: 'ada',
  at,
  name,
  ...more,
});
const server: Partial<Given> = { source: 'server', is_trusted: true };
const cutAt = Date.parse('2026-02-01T00:00:00Z');

/** Derives what was before, drops it, derives what comes after. */
async function aroundTheCut(before: Given[], after: Given[], asOf: string): Promise<Record<string, Row[]>> {
  const site = { siteId: siteId() };
  await storeGiven(database.pool, site, before);
  await database.derive(cutAt);
  await cut(site, cutAt);
  await storeGiven(database.pool, site, after);
  await database.derive(Date.parse(asOf));
  await expectVerified(database.pool);
  return rowsOfViews(database.pool, site, await viewNames(database.pool));
}

test("each person's state at the cut is first kept: the stage, and what comes after goes on from there", async () => {
  const views = await aroundTheCut(
    [
      ada('2026-01-10T10:00:00Z', 'page_view', {
        context: { campaign: { source: 'news', medium: 'email' } },
      }),
      ada('2026-01-10T10:05:00Z', 'purchase', {
        user_id: 'u1',
        properties: { transaction_id: 'o1', value: 40 },
      }),
      ada('2026-01-12T10:00:00Z', 'page_view', { user_id: 'u1', traits: { plan: 'gold' } }),
    ],
    [ada('2026-02-05T10:00:00Z', 'review_submitted', { user_id: 'u1', properties: { rating: 5 } })],
    '2026-02-06T00:00:00Z',
  );
  expect(views['stage_transitions']).toMatchObject([
    {
      from_stage: 'retention',
      to_stage: 'advocacy',
      journey_number: 1,
      occurred_at: '2026-02-05T10:00:00.000Z',
    },
  ]);
  expect(views['current_stages']).toMatchObject([{ stage: 'advocacy', is_customer: true, orders: 1 }]);
  expect(views['persons']).toMatchObject([
    {
      user_id: 'u1',
      first_seen_at: '2026-01-10T10:00:00.000Z',
      first_channel: 'Email',
      traits: { plan: 'gold' },
      order_count: 1,
      net_revenue: 40,
    },
  ]);
});

test('order facts: the same order told again is the same order, and is refunded', async () => {
  const order = { transaction_id: 'o1', value: 40, currency: 'EUR' };
  const views = await aroundTheCut(
    [ada('2026-01-31T23:00:00Z'), ada('2026-01-31T23:05:00Z', 'purchase', { properties: order })],
    [
      { ...server, user_id: 'u1', at: '2026-02-01T00:10:00Z', name: 'purchase', properties: order },
      {
        ...server,
        user_id: 'u1',
        at: '2026-02-03T10:00:00Z',
        name: 'refund',
        properties: { transaction_id: 'o1', value: 10 },
      },
    ],
    '2026-02-04T00:00:00Z',
  );
  expect(views['orders']).toMatchObject([
    {
      order_id: 'o1',
      gross: 40,
      refunded: 10,
      net: 30,
      channel: 'Direct',
      occurred_at: '2026-01-31T23:05:00.000Z',
    },
  ]);
  expect(views['conversion_metrics']).toMatchObject([
    { day: '2026-01-31', sessions: 1, orders: 1, revenue: 40, refunded: 0 },
    { day: '2026-02-03', sessions: 0, orders: 0, revenue: 0, refunded: 10 },
  ]);
});

test('open carts: one filled before the cut is abandoned or bought after it', async () => {
  const item = { item_id: 'p1', price: 20 };
  const views = await aroundTheCut(
    [
      ada('2026-01-31T22:00:00Z', 'add_to_cart', { properties: { cart_id: 'c1', items: [item] } }),
      ada('2026-01-31T23:50:00Z', 'add_to_cart', { properties: { items: [item] } }),
    ],
    [
      {
        ...server,
        user_id: 'u9',
        at: '2026-02-02T10:00:00Z',
        name: 'purchase',
        properties: { cart_id: 'c1', value: 20 },
      },
    ],
    '2026-02-03T00:00:00Z',
  );
  const carts = views['carts']!.toSorted((one, other) =>
    String(one['cart_id']) < String(other['cart_id']) ? -1 : 1,
  );
  expect(carts).toMatchObject([
    { cart_id: 'c1', state: 'self_recovered', value: 20, opened_at: '2026-01-31T22:00:00.000Z' },
    { cart_id: null, state: 'abandoned', value: 20, abandoned_at: '2026-02-01T00:50:00.000Z' },
  ]);
});

test('a session that goes on past the cut stays one', async () => {
  const views = await aroundTheCut(
    [
      ada('2026-01-31T23:40:00Z', 'page_view', {
        context: { page: { path: '/in' }, campaign: { source: 'news', medium: 'email' } },
      }),
      ada('2026-01-31T23:55:00Z', 'page_view', { context: { page: { path: '/more' } } }),
    ],
    [ada('2026-02-01T00:05:00Z', 'page_view', { context: { page: { path: '/out' } } })],
    '2026-02-02T00:00:00Z',
  );
  expect(views['sessions']).toMatchObject([
    {
      started_at: '2026-01-31T23:40:00.000Z',
      ended_at: '2026-02-01T00:05:00.000Z',
      page_view_count: 3,
      touchpoint_count: 3,
      entry_page: '/in',
      exit_page: '/out',
      channel: 'Email',
    },
  ]);
});

test('identity spells: persons who turn out to be one after the cut have one stage, one first touch and all orders', async () => {
  const views = await aroundTheCut(
    [
      ada('2026-01-05T10:00:00Z', 'view_item'),
      { anonymous_id: 'phone', at: '2026-01-07T10:00:00Z', user_id: 'u1', name: 'page_view' },
      {
        anonymous_id: 'phone',
        at: '2026-01-08T10:00:00Z',
        user_id: 'u1',
        name: 'purchase',
        properties: { value: 5 },
      },
    ],
    [ada('2026-02-02T10:00:00Z', 'page_view', { user_id: 'u1' })],
    '2026-02-03T00:00:00Z',
  );
  expect(views['persons']).toMatchObject([
    { user_id: 'u1', first_seen_at: '2026-01-05T10:00:00.000Z', order_count: 1 },
  ]);
  expect(views['current_stages']).toMatchObject([{ stage: 'retention', furthest_stage: 'retention' }]);
  expect(views['identities']).toHaveLength(3);
});

test('members of accounts, and goals, stay as they were', async () => {
  await given.settings({
    goals: JSON.stringify([{ name: 'sign_up', event: 'sign_up', counting: 'every_time', is_primary: true }]),
  });
  const views = await aroundTheCut(
    [
      ada('2026-01-05T10:00:00Z', 'sign_up', { user_id: 'u1' }),
      {
        user_id: 'u1',
        at: '2026-01-06T10:00:00Z',
        type: 'group',
        account_id: 'acme',
        traits: { plan: 'pro', role: 'buyer' },
        ...server,
      },
    ],
    [ada('2026-02-02T10:00:00Z', 'sign_up', { user_id: 'u1' })],
    '2026-02-03T00:00:00Z',
  );
  expect(views['account_members']).toMatchObject([{ account_id: 'acme', role: 'buyer' }]);
  expect(views['accounts']).toMatchObject([
    { account_id: 'acme', traits: { plan: 'pro' }, first_seen_at: '2026-01-06T10:00:00.000Z' },
  ]);
  expect(views['conversions']).toHaveLength(1);
  expect(views['conversion_metrics']!.map((row) => row['conversions'])).toEqual([1, 1]);
});

test('an order that a server told of before the cut, and its browser after it, stays what its session converted by', async () => {
  await given.settings({
    goals: JSON.stringify([
      { name: 'sale', event: 'purchase', counting: 'once_per_session', is_primary: true },
    ]),
  });
  const site = { siteId: siteId() };
  const order = { transaction_id: 'o1', value: 40, currency: 'EUR' };
  await storeGiven(database.pool, site, [
    { ...server, user_id: 'u1', at: '2026-01-31T23:50:00Z', name: 'purchase', properties: order },
    ada('2026-02-01T00:10:00Z', 'purchase', { user_id: 'u1', properties: order }),
  ]);
  await database.derive(cutAt + day);
  const before = await textOfViews(database.pool, site);
  await cut(site, cutAt);
  const after = await textOfViews(database.pool, site);
  expectOnlyGone(before, after, cutAt);
  expect(after['sessions']).toMatchObject([expect.stringContaining('"is_engaged": true')]);
  await expectVerified(database.pool);
  await rebuild(database.pool, site);
  expect(await textOfViews(database.pool, site)).toEqual(after);
});

test('of what is left nothing is known but whose it was and when', async () => {
  await aroundTheCut(
    [
      ada('2026-01-05T10:00:00Z', 'search', {
        properties: { term: 'gift for Bob' },
        context: { page: { path: '/s' } },
      }),
      ada('2026-01-05T10:01:00Z', 'page_view', { traits: { email: 'ada@example.com' }, user_id: 'u1' }),
      ada('2026-01-05T10:02:00Z'),
      ada('2026-01-05T10:03:00Z'),
      ada('2026-01-05T10:04:00Z'),
    ],
    [],
    '2026-02-02T00:00:00Z',
  );
  const { rows } = await database.pool.query<Row>(
    `select name, type, properties, traits, context, occurred_at::text as at
     from store.touchpoints where site_id = $1 order by occurred_at`,
    [siteId()],
  );
  expect(rows).toHaveLength(3);
  for (const row of rows) {
    expect(row).toMatchObject({
      name: 'identify',
      type: 'identify',
      properties: null,
      traits: null,
      context: null,
    });
  }
});

test('a changed setting is applied to what is kept', async () => {
  await aroundTheCut(
    [ada('2026-01-31T23:40:00Z'), ada('2026-01-20T10:00:00Z', 'purchase', { properties: { value: 30 } })],
    [ada('2026-02-01T00:30:00Z'), ada('2026-02-01T02:00:00Z')],
    '2026-02-03T00:00:00Z',
  );
  const before = await rowsOf('conversion_metrics');
  await updateSite(database.pool, siteId(), { time_zone: 'America/New_York', session_gap: '3 hours' });
  await rebuild(database.pool, { siteId: siteId() });
  expect(await rowsOf('sessions')).toMatchObject([{ touchpoint_count: 3 }]);
  expect((await rowsOf('conversion_metrics')).map((row) => row['revenue'])).toEqual(
    expect.arrayContaining(before.map((row) => row['revenue'])),
  );
  await expectVerified(database.pool);
});

test('a journey model of other states goes on from the stage that was kept', async () => {
  const site = { siteId: siteId() };
  await aroundTheCut(
    [
      ada('2026-01-10T10:00:00Z', 'view_item'),
      ada('2026-01-12T10:00:00Z', 'purchase', { properties: { value: 40 } }),
    ],
    [ada('2026-02-05T10:00:00Z', 'page_view')],
    '2026-02-06T00:00:00Z',
  );
  await applyModel(database.pool, { siteId: site.siteId, model: await readModel('loyalty') });
  await rebuild(database.pool, { siteId: site.siteId });
  await expectVerified(database.pool);
  const [standing] = await rowsOf('current_stages');
  expect(standing).toMatchObject({ is_customer: true, orders: 1, model_version: 2 });
  expect((await rowsOf('stages')).map(({ stage }) => stage)).toContain(standing!['stage']);
});
