import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import type pg from 'pg';
import { buildApp } from '../../src/app.ts';
import type { AppOptions } from '../../src/app.ts';
import { createMetrics } from '../../src/operations/metrics.ts';
import { Deriver } from '../../src/derive/derive.ts';
import { storeGiven } from '../derive/given.ts';
import type { Given } from '../derive/given.ts';
import { createDatabase } from '../support/database.ts';
import type { TestDatabase } from '../support/database.ts';

/** A collector in the role `api` alone. */
export type TestApi = {
  app: FastifyInstance;
  database: TestDatabase;
  pool: pg.Pool;
  deriver: Deriver;
  /** GET with a secret key. */
  get: (url: string, key: string, headers?: Record<string, string>) => Promise<LightMyRequestResponse>;
  stop: () => Promise<void>;
};

export const apiConfig: AppOptions['config'] = {
  roles: new Set(['api']),
  logLevel: 'silent',
  trustProxy: false,
  metricsToken: undefined,
  rateLimit: 0,
  webhookTargets: 'public',
  importFolder: join(tmpdir(), 'milepost-test-imports'),
  importLimitBytes: 1024 * 1024,
};

export async function startApi(): Promise<TestApi> {
  const database = await createDatabase();
  const app = await buildApp({
    config: apiConfig,
    pool: database.pool,
    buffer: null,
    metrics: createMetrics(),
  });
  const deriver = await Deriver.open(database.pool);
  return {
    app,
    deriver,
    database,
    pool: database.pool,
    get: (url, key, headers = {}) =>
      app.inject({ url, headers: { authorization: `Bearer ${key}`, ...headers } }),
    stop: async () => {
      await app.close();
      await deriver.close();
      await database.drop();
    },
  };
}

/** Stores touchpoints by the real write path and derives what follows from them. */
export async function given(
  { pool, deriver }: TestApi,
  site: { siteId: number },
  touchpoints: Given[],
  asOf?: Date,
): Promise<void> {
  await storeGiven(pool, site, touchpoints);
  while ((await deriver.deriveBatches()) > 0);
  await deriver.advanceClocks(asOf);
}

/** What a list route answers. */
export type ListAnswer = { next_cursor: string | null } & Record<string, Row[] | string | null>;
type Row = Record<string, unknown>;

/** The rows of a list's answer. */
export const rowsOf = (answer: LightMyRequestResponse, name: string): Row[] =>
  answer.json<ListAnswer>()[name] as Row[];
