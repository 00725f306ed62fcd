import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readConfig } from '../src/config.ts';
import { startServer } from '../src/server.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { createSite, type TestSite } from './support/site.ts';

let db: TestDatabase;
let site: TestSite;
let buffer: string;

beforeEach(async () => {
  db = await createDatabase();
  site = await createSite(db.pool);
  buffer = mkdtempSync(join(tmpdir(), 'milepost-server-'));
});

afterEach(async () => {
  await db.drop();
  rmSync(buffer, { recursive: true, force: true });
});

async function start(env: NodeJS.ProcessEnv = {}) {
  return startServer(
    readConfig({
      DATABASE_URL: db.url,
      PORT: '0',
      BUFFER_URL: `lmdb:${buffer}`,
      LOG_LEVEL: 'silent',
      ...env,
    }),
  );
}

async function send(url: string): Promise<number> {
  const event = { id: crypto.randomUUID(), name: 'page_view', type: 'page', anonymous_id: 'ada' };
  const answer = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${site.writeKey}` },
    body: JSON.stringify({ batch: [{ ...event, occurred_at: new Date().toISOString() }] }),
  });
  return answer.status;
}

async function count(table: string): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>(`select count(*)::integer as count from ${table}`);
  return rows[0]?.count ?? 0;
}

test('a stop carries what was acked through to the derived tables and leaves no connection', async () => {
  const server = await start();
  expect(await send(server.url)).toBe(200);
  await server.stop();
  expect(await count('store.touchpoints')).toBe(1);
  expect(await count('journey.sessions')).toBe(1);
  expect(await count(`pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)).toBe(
    0,
  );
});

test('roles run alone: one process takes and stores, another derives later', async () => {
  const taking = await start({ ROLES: 'ingest,write' });
  expect(await send(taking.url)).toBe(200);
  expect((await fetch(`${taking.url}/v1/stages`)).status).toBe(404);
  await taking.stop();
  expect(await count('journey.sessions')).toBe(0);

  const deriving = await start({ ROLES: 'derive' });
  await deriving.stop();
  expect(await count('journey.sessions')).toBe(1);
});

test('what one process took while nothing wrote is stored by the next', async () => {
  const taking = await start({ ROLES: 'ingest' });
  expect(await send(taking.url)).toBe(200);
  await taking.stop();
  expect(await count('store.touchpoints')).toBe(0);

  const writing = await start({ ROLES: 'write' });
  await writing.stop();
  expect(await count('store.touchpoints')).toBe(1);
});
