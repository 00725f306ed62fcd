import { randomUUID } from 'node:crypto';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import type pg from 'pg';
import { buildApp } from '../../src/app.ts';
import { createMetrics } from '../../src/operations/metrics.ts';
import { createDatabase } from '../support/database.ts';
import type { TestDatabase } from '../support/database.ts';

/** A collector in the role `api` alone. */
export type TestApi = {
  app: FastifyInstance;
  database: TestDatabase;
  pool: pg.Pool;
  /** GET with a secret key. */
  get: (url: string, key: string, headers?: Record<string, string>) => Promise<LightMyRequestResponse>;
  stop: () => Promise<void>;
};

export async function startApi(): Promise<TestApi> {
  const database = await createDatabase();
  const app = await buildApp({
    config: {
      roles: new Set(['api']),
      logLevel: 'silent',
      trustProxy: false,
      metricsToken: undefined,
      rateLimit: 0,
    },
    pool: database.pool,
    buffer: null,
    metrics: createMetrics(),
  });
  return {
    app,
    database,
    pool: database.pool,
    get: (url, key, headers = {}) =>
      app.inject({ url, headers: { authorization: `Bearer ${key}`, ...headers } }),
    stop: async () => {
      await app.close();
      await database.drop();
    },
  };
}

type Rows = Record<string, unknown>[];

/** Puts rows into a derived table as they are, to arrange what derive would take thousands of touchpoints to make. */
export async function putRows(pool: pg.Pool, table: string, rows: Rows): Promise<void> {
  const columns = Object.keys(rows[0] ?? {}).join(', ');
  await pool.query(
    `insert into store.${table} (${columns}) select ${columns} from jsonb_populate_recordset(null::store.${table}, $1)`,
    [JSON.stringify(rows)],
  );
}

const at = '2026-11-20T09:30:00.000Z';

/** A person in a stage. */
export function person(siteId: number, fields: Record<string, unknown> = {}) {
  return {
    site_id: siteId,
    person_id: randomUUID(),
    user_id: null as string | null,
    first_seen_at: at,
    last_seen_at: at,
    last_sequence: 0,
    last_touchpoint_id: randomUUID(),
    traits: null as object | null,
    state: 3,
    stage: 'decision',
    furthest: 3,
    since: at,
    journey_number: 1,
    last_signal_at: at,
    transition_count: 1,
    is_buyer: false,
    order_count: 0,
    refunded_order_count: 0,
    net_revenue: 0,
    unconverted_order_count: 0,
    ...fields,
  };
}

/** A transition of a person. */
export function transition(
  siteId: number,
  personId: string,
  number: number,
  fields: Record<string, unknown> = {},
) {
  return {
    site_id: siteId,
    person_id: personId,
    transition_number: number,
    transition_id: randomUUID(),
    journey_number: 1,
    from_stage: 'consideration' as string | null,
    to_stage: 'decision',
    occurred_at: at,
    touchpoint_id: randomUUID(),
    cause: 'touchpoint',
    signal: 'decide',
    rule: 'intent',
    model_version: 1,
    direction: 'forward',
    skipped_stages: [] as string[],
    seconds_in_from_stage: 60 as number | null,
    ...fields,
  };
}

/** A cart of a person, abandoned. */
export function cart(siteId: number, personId: string, fields: Record<string, unknown> = {}) {
  return {
    site_id: siteId,
    cart_key: randomUUID(),
    cart_id: null,
    person_id: personId,
    state: 'abandoned',
    opened_at: at,
    last_activity_at: at,
    abandoned_at: '2026-11-20T10:30:00.000Z' as string | null,
    first_abandoned_at: '2026-11-20T10:30:00.000Z' as string | null,
    abandonment_count: 1,
    furthest_step: 1,
    had_lines: true,
    lines: [{ item_id: 'boots-42', quantity: 1, price: 59.9 }],
    item_count: 1,
    value: '59.90',
    currency: 'EUR',
    ...fields,
  };
}

/** An order of a person. */
export function order(siteId: number, personId: string, fields: Record<string, unknown> = {}) {
  return {
    site_id: siteId,
    order_id: randomUUID(),
    person_id: personId,
    touchpoint_id: randomUUID(),
    occurred_at: at,
    source: 'web',
    currency: 'EUR',
    gross: '59.90',
    refunded: '0',
    day: '2026-11-20',
    channel: 'Direct',
    ...fields,
  };
}

/** What a list route answers. */
export type ListAnswer = { next_cursor: string | null } & Record<string, Rows | string | null>;
