import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { buildApp, type AppOptions } from '../../src/app.ts';
import type { TouchpointBuffer } from '../../src/buffer/buffer.ts';
import { openLmdbBuffer } from '../../src/buffer/lmdb.ts';
import type { Config } from '../../src/config.ts';
import { createMetrics } from '../../src/operations/metrics.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

/** A collector that takes in and writes nothing: what it kept is read from its buffer. */
export type TestCollector = {
  app: FastifyInstance;
  buffer: TouchpointBuffer;
  database: TestDatabase;
  stop: () => Promise<void>;
};

export async function startCollector({
  config = {},
  maxBytes = 64 * 1024 * 1024,
  ...options
}: { config?: Partial<Config>; maxBytes?: number } & Pick<
  AppOptions,
  'log' | 'isWriting'
> = {}): Promise<TestCollector> {
  const folder = mkdtempSync(join(tmpdir(), 'milepost-buffer-'));
  const database = await createDatabase();
  const buffer = await openLmdbBuffer({ folder, maxBytes });
  const app = await buildApp({
    config: {
      roles: new Set(['ingest']),
      logLevel: 'silent',
      trustProxy: false,
      metricsToken: undefined,
      rateLimit: 0,
      webhookTargets: 'public',
      importFolder: join(folder, 'imports'),
      importLimitBytes: maxBytes,
      ...config,
    },
    pool: database.pool,
    buffer,
    metrics: createMetrics(),
    ...options,
  });
  return {
    app,
    buffer,
    database,
    stop: async () => {
      await app.close();
      await buffer.close();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A touchpoint that nothing is wrong with. */
export function touchpoint(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: `test-${Math.random().toString(36).slice(2)}`,
    name: 'page_view',
    anonymous_id: 'visitor-1',
    occurred_at: new Date().toISOString(),
    ...fields,
  };
}

/** What the buffer holds, oldest first, with its bodies read. */
export function kept(buffer: TouchpointBuffer): { envelope: object; body: { batch: unknown[] } }[] {
  return buffer.read(null, { maxEntries: 10_000, maxBytes: 1e9 }).map(({ envelope, body }) => ({
    envelope,
    body: JSON.parse(Buffer.from(body).toString()) as { batch: unknown[] },
  }));
}
