import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { deriveUntilIdle } from '../../src/derive/index.ts';
import { importFile } from '../../src/import/import.ts';
import { parseMapping } from '../../src/import/mapping.ts';
import { type TestDatabase, createDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';
import { triggersOf } from './triggers.ts';

// What public data sets are known to hold must come out of the views.

const root = fileURLToPath(new URL('../../../../', import.meta.url));
let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'milepost-real-data-'));
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function importOf(siteId: number, file: string, mappingFile: string) {
  const mapping = parseMapping(readFileSync(join(root, 'examples/import', mappingFile), 'utf8'), mappingFile);
  return importFile(database.pool, {
    file: join(root, 'packages/collector/test/data', file),
    siteId,
    format: 'csv',
    delimiter: ',',
    mapping,
    timeZone: mapping.timeZone ?? 'UTC',
    rejectsFile: join(folder, 'rejects.ndjson'),
  });
}

function expectedOf(name: string): Record<string, unknown> {
  const file = join(root, 'packages/collector/test/data', name, 'expected.json');
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
}

async function rowsOf<Row extends object>(siteId: number, query: string): Promise<Row[]> {
  const { rows } = await database.pool.query<Row>(query, [siteId]);
  return rows;
}

async function oneOf<Row extends object>(siteId: number, query: string): Promise<Row> {
  const [row] = await rowsOf<Row>(siteId, query);
  if (row === undefined) throw new Error('no row');
  return row;
}

describe('the clickstream of a consumer-electronics shop', () => {
  type Split = Record<string, { sessions: number; purchasing_sessions: number; purchases: number }>;
  const expected = expectedOf('clickstream-ecom') as {
    rows: number;
    users: number;
    given_sessions: number;
    events: Record<string, number>;
    sessions_with_purchase: number;
    users_with_purchase: number;
    mean_session_seconds: number;
    bounce_sessions_single_event: number;
    by_acquisition_channel: Split;
    by_platform: Split;
  };
  let siteId: number;

  beforeAll(async () => {
    ({ siteId } = await createSite(database.pool));
    const summary = await importOf(siteId, 'clickstream-ecom/events.csv.gz', 'clickstream-ecom.json');
    expect(summary).toMatchObject({ stored: expected.rows, duplicates: 0, rejected: 0 });
    await deriveUntilIdle(database.pool);
  }, 300_000);

  test('has its sessions, the same ones as the source', async () => {
    const sessions = await oneOf(
      siteId,
      `select count(*)::integer as sessions, count(distinct visitor_id)::integer as visitors,
         count(distinct person_id)::integer as persons, sum(touchpoint_count)::integer as touchpoints,
         round(avg(duration_seconds), 6)::float8 as mean_seconds,
         (count(*) filter (where touchpoint_count = 1))::integer as single
       from journey.sessions where site_id = $1`,
    );
    expect(sessions).toEqual({
      sessions: expected.given_sessions,
      visitors: expected.users,
      persons: expected.users,
      touchpoints: expected.rows,
      mean_seconds: expected.mean_session_seconds,
      single: expected.bounce_sessions_single_event,
    });
    const mixed = await rowsOf(
      siteId,
      `select touchpoints.session_id
       from journey.touchpoints
       join store.touchpoints as stored
         on stored.site_id = touchpoints.site_id and stored.touchpoint_id = touchpoints.touchpoint_id
       where touchpoints.site_id = $1
       group by touchpoints.session_id
       having count(distinct stored.properties ->> 'session_hint') > 1`,
    );
    expect(mixed).toEqual([]);
  });

  test('has its purchases, by person and by session', async () => {
    const orders = await oneOf(
      siteId,
      `select count(*)::integer as orders, count(distinct session_id)::integer as sessions,
         count(distinct person_id)::integer as persons
       from journey.orders where site_id = $1`,
    );
    expect(orders).toEqual({
      orders: expected.events['purchase'],
      sessions: expected.sessions_with_purchase,
      persons: expected.users_with_purchase,
    });
    const customers = await oneOf(
      siteId,
      'select (count(*) filter (where is_customer))::integer as customers from journey.current_stages where site_id = $1',
    );
    expect(customers).toEqual({ customers: expected.users_with_purchase });
  });

  test('has its conversion by channel', async () => {
    const channelOf: Record<string, string> = {
      direct: 'Direct',
      email: 'Email',
      organic: 'Organic Search',
      paid_search: 'Paid Search',
      social: 'Organic Social',
    };
    expect(await conversionBy('channel')).toEqual(splitBy(expected.by_acquisition_channel, channelOf));
  });

  test('has its conversion by platform', async () => {
    expect(await conversionBy('device')).toEqual(splitBy(expected.by_platform, {}));
  });

  test('has no abandoned cart, for its carts name no product, and no trigger', async () => {
    const carts = await rowsOf(
      siteId,
      `select distinct state from journey.carts where site_id = $1 and abandonment_count > 0`,
    );
    expect(carts).toEqual([]);
    expect(await triggersOf(database.pool, siteId)).toBe(0);
  });

  async function conversionBy(column: 'channel' | 'device') {
    const rows = await rowsOf<{ name: string }>(
      siteId,
      `select ${column} as name, sum(sessions)::integer as sessions,
         sum(converting_sessions)::integer as purchasing_sessions, sum(orders)::integer as purchases
       from journey.conversion_metrics where site_id = $1
       group by ${column}`,
    );
    return Object.fromEntries(rows.map(({ name, ...counts }) => [name, counts]));
  }

  function splitBy(split: Split, names: Record<string, string>): Split {
    return Object.fromEntries(Object.entries(split).map(([name, counts]) => [names[name] ?? name, counts]));
  }
});

describe('the orders of CDNOW, 1997 and 1998', () => {
  const { computed: expected } = expectedOf('cdnow-sample') as {
    computed: {
      rows: number;
      customers: number;
      revenue: number;
      mean_historic_clv: number;
      median_historic_clv: number;
      top10_by_historic_clv: [string, number][];
      orders_per_customer_histogram: Record<string, number>;
      monthly: Record<string, { transactions: number; revenue: number; active_customers: number }>;
    };
  };
  const connections: string[] = [];
  let siteId: number;

  beforeAll(async () => {
    ({ siteId } = await createSite(database.pool, { currency: 'USD' }));
    const database_ = new URL(database.url);
    const note = (message: unknown) => {
      const { socket } = message as { socket: Socket };
      socket.once('connect', () => {
        const to = `${socket.remoteAddress}:${socket.remotePort}`;
        if (to !== `${database_.hostname}:${database_.port}`) connections.push(to);
      });
      // A name that does not resolve never connects, but somebody was asked for it.
      socket.once('lookup', (_error, _address, _family, host: string) => connections.push(host));
    };
    subscribe('net.client.socket', note);
    try {
      const summary = await importOf(siteId, 'cdnow-sample/transactions.csv.gz', 'cdnow.json');
      expect(summary).toMatchObject({ stored: expected.rows, duplicates: 0, rejected: 0 });
      await deriveUntilIdle(database.pool);
    } finally {
      unsubscribe('net.client.socket', note);
    }
  }, 300_000);

  test('add up to the known revenue', async () => {
    const sums = await oneOf(
      siteId,
      `select count(*)::integer as orders, count(distinct person_id)::integer as customers,
         round(sum(gross), 2)::text as revenue, round(sum(net_site), 2)::text as net, min(currency) as currency
       from journey.orders where site_id = $1`,
    );
    const revenue = expected.revenue.toFixed(2);
    expect(sums).toEqual({
      orders: expected.rows,
      customers: expected.customers,
      revenue,
      net: revenue,
      currency: 'USD',
    });
  });

  test('have the known revenue and active customers of every month', async () => {
    const months = await rowsOf<{ month: string }>(
      siteId,
      `select to_char(occurred_at at time zone 'UTC', 'YYYY-MM') as month, count(*)::integer as transactions,
         sum(gross)::float8 as revenue, count(distinct person_id)::integer as active_customers
       from journey.orders where site_id = $1
       group by to_char(occurred_at at time zone 'UTC', 'YYYY-MM')`,
    );
    expect(Object.fromEntries(months.map(({ month, ...sums }) => [month, sums]))).toEqual(expected.monthly);
  });

  test('have the known revenue a month in conversion_metrics too', async () => {
    const months = await rowsOf<{ month: string; revenue: number }>(
      siteId,
      `select to_char(day, 'YYYY-MM') as month, sum(revenue)::float8 as revenue
       from journey.conversion_metrics where site_id = $1
       group by to_char(day, 'YYYY-MM')`,
    );
    const known = Object.entries(expected.monthly).map(([month, { revenue }]) => [month, revenue]);
    expect(Object.fromEntries(months.map(({ month, revenue }) => [month, revenue]))).toEqual(
      Object.fromEntries(known),
    );
  });

  test('give every customer the known number of orders and revenue', async () => {
    const histogram = await rowsOf<{ orders: number; customers: number }>(
      siteId,
      `select order_count::integer as orders, count(*)::integer as customers
       from journey.persons where site_id = $1
       group by order_count`,
    );
    expect(Object.fromEntries(histogram.map(({ orders, customers }) => [String(orders), customers]))).toEqual(
      expected.orders_per_customer_histogram,
    );
    const value = await oneOf(
      siteId,
      `select round(avg(net_revenue), 6)::float8 as mean,
         (percentile_cont(0.5) within group (order by net_revenue))::float8 as median
       from journey.persons where site_id = $1`,
    );
    expect(value).toEqual({ mean: expected.mean_historic_clv, median: expected.median_historic_clv });
    const best = await rowsOf<{ user_id: string; net_revenue: number }>(
      siteId,
      `select user_id, net_revenue::float8 as net_revenue
       from journey.persons where site_id = $1 order by persons.net_revenue desc limit 10`,
    );
    expect(best.map(({ user_id: user, net_revenue: revenue }) => [user, revenue])).toEqual(
      expected.top10_by_historic_clv,
    );
  });

  test('sent nothing to anybody', () => {
    expect(connections).toEqual([]);
  });

  test('left no cart, no trigger and no delivery', async () => {
    const left = await oneOf(
      siteId,
      `select
         (select count(*)::integer from journey.carts where site_id = $1) as carts,
         (select count(*)::integer from journey.abandoned_carts where site_id = $1) as abandoned`,
    );
    expect(left).toEqual({ carts: 0, abandoned: 0 });
    expect(await triggersOf(database.pool, siteId)).toBe(0);
  });
});
