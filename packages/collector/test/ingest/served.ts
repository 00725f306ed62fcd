import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { startPostgres, type EmbeddedPostgres } from '../../src/database/embedded.ts';
import { migrate } from '../../src/database/migrate.ts';
import { createPool } from '../../src/database/pool.ts';
import { createSite } from '../support/site.ts';
import { CollectorProcess, freePort } from './process.ts';

/** A folder of one test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'milepost-crash-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A collector in a process of its own, ended with the test. */
export async function serve(
  databaseUrl: string,
  folder: string,
  env: NodeJS.ProcessEnv = {},
): Promise<CollectorProcess> {
  const collector = new CollectorProcess({ databaseUrl, folder, port: await freePort(), env });
  onTestFinished(() => collector.end('SIGKILL').then(() => {}));
  await collector.start();
  return collector;
}

/** A PostgreSQL of the test's own that may be killed, with a site in it. */
export async function ownPostgres(settings: Record<string, string> = {}, folder = temporaryFolder()) {
  const start = (): Promise<EmbeddedPostgres> => startPostgres({ folder, settings });
  const server = { current: await start(), start };
  onTestFinished(() => server.current.stop());
  const pool = createPool(server.current.url, { connections: 2 });
  onTestFinished(() => pool.end());
  await migrate(pool);
  return { server, pool, folder, ...(await createSite(pool)) };
}

/** Every acked event is stored, and none twice; what was sent but not acked may be there or not. */
export async function expectExactlyOnce(
  pool: pg.Pool,
  siteId: number,
  acked: ReadonlySet<string>,
): Promise<void> {
  const { rows } = await pool.query<{ id: string }>(
    'select touchpoint_id as id from store.touchpoints where site_id = $1',
    [siteId],
  );
  const stored = new Set(rows.map(({ id }) => id));
  expect([...acked].filter((id) => !stored.has(id))).toEqual([]);
  expect(rows).toHaveLength(stored.size);
}
