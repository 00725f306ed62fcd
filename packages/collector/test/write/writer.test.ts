import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '@milepost/shared';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Envelope, TouchpointBuffer } from '../../src/buffer/buffer.ts';
import { openBuffer } from '../../src/buffer/open.ts';
import { startPostgres } from '../../src/database/embedded.ts';
import { migrate } from '../../src/database/migrate.ts';
import { createPool } from '../../src/database/pool.ts';
import { startWriter } from '../../src/write/writer.ts';
import { type TestDatabase, createDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';

const log = pino({ level: 'silent' });
let db: TestDatabase;
let folder: string;
let buffer: TouchpointBuffer;

beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'milepost-writer-'));
  buffer = await openBuffer(`lmdb:${join(folder, 'buffer')}`, { maxBytes: 256 * 1024 * 1024 });
});
afterEach(async () => {
  await buffer.close();
  rmSync(folder, { recursive: true, force: true });
});

function events(count: number, fields: Record<string, unknown> = {}): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, index) => ({
    id: newId(),
    name: 'page_view',
    anonymous_id: `visitor-${index % 7}`,
    occurred_at: Date.now(),
    sequence: index,
    ...fields,
  }));
}

function append(siteId: number, batch: unknown[], envelope: Partial<Envelope> = {}): Promise<void> {
  const whole = { siteId, receivedAt: Date.now(), isTrusted: false, ingestedBy: 'events', ...envelope };
  return buffer.append(whole, Buffer.from(JSON.stringify({ sent_at: Date.now(), batch })));
}

async function countOf(siteId: number, pool = db.pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    'select count(*)::integer as count from store.touchpoints where site_id = $1',
    [siteId],
  );
  return rows[0]!.count;
}

test('what was buffered is stored and forgotten', async () => {
  const { siteId } = await createSite(db.pool);
  for (let request = 0; request < 30; request += 1) await append(siteId, events(100));
  let stored = 0;
  const writer = startWriter({ buffer, pool: db.pool, log, onStored: (commit) => (stored += commit.stored) });
  await writer.drain();
  expect(await countOf(siteId)).toBe(3_000);
  await append(siteId, events(5));
  await writer.stop();
  expect([stored, await countOf(siteId), buffer.depth().entries]).toEqual([3_005, 3_005, 0]);
});

test('an entry that comes again after a crash changes nothing', async () => {
  const { siteId } = await createSite(db.pool);
  const batch = events(10);
  for (const _ of [1, 2]) {
    await append(siteId, batch);
    await startWriter({ buffer, pool: db.pool, log }).stop();
  }
  expect(await countOf(siteId)).toBe(10);
});

test('ids sent again are counted, whether this process remembers them or not', async () => {
  const { siteId } = await createSite(db.pool);
  const batches = [events(50), events(50), events(50)] as const;
  await append(siteId, batches[0]);
  await append(siteId, [...batches[0], ...batches[1]]);
  await startWriter({ buffer, pool: db.pool, log }).stop();
  const writer = startWriter({ buffer, pool: db.pool, log });
  await append(siteId, [...batches[1], ...batches[2], ...batches[2]]);
  await writer.drain();
  await append(siteId, [...batches[0], ...batches[2], ...events(50)]);
  await writer.stop();
  expect(await countOf(siteId)).toBe(200);
  const { rows } = await db.pool.query(
    'select name, value::integer as value from store.counters where site_id = $1',
    [siteId],
  );
  expect(rows).toEqual([{ name: 'duplicate', value: 250 }]);
});

test('what the SDK lost is counted', async () => {
  const { siteId } = await createSite(db.pool);
  const envelope = { siteId, receivedAt: Date.now(), isTrusted: false, ingestedBy: 'events' };
  await buffer.append(envelope, Buffer.from('{"lost":{"expired":3,"mine":1},"batch":[]}'));
  await startWriter({ buffer, pool: db.pool, log }).stop();
  const { rows } = await db.pool.query(
    'select name, value::integer as value from store.counters where site_id = $1 order by name',
    [siteId],
  );
  expect(rows).toEqual([
    { name: 'sdk_lost_expired', value: 3 },
    { name: 'sdk_lost_other', value: 1 },
  ]);
});

test('what ingest rejected is kept with its reason, the rest is stored', async () => {
  const { siteId } = await createSite(db.pool);
  const rejected = { 1: { reason: 'invalid', detail: '/id: must be string' } } as const;
  await append(siteId, [...events(1), { id: 7 }, ...events(1)], { rejected });
  await startWriter({ buffer, pool: db.pool, log }).stop();
  expect(await countOf(siteId)).toBe(2);
  const { rows } = await db.pool.query(
    'select reason, detail, event from store.rejected_events where site_id = $1',
    [siteId],
  );
  expect(rows).toEqual([{ reason: 'invalid', detail: '/id: must be string', event: '{"id":7}' }]);
});

test('a row that PostgreSQL refuses is found and set aside, all others are stored in order', async () => {
  const { siteId } = await createSite(db.pool);
  await db.pool.query(`alter table store.touchpoints add constraint no_poison check (name <> 'poison')`);
  const batch = events(300);
  for (const index of [17, 18, 299]) batch[index]!['name'] = 'poison';
  await append(siteId, batch);
  await startWriter({ buffer, pool: db.pool, log }).stop();
  await db.pool.query('alter table store.touchpoints drop constraint no_poison');
  expect(await countOf(siteId)).toBe(297);
  const { rows } = await db.pool.query(
    `select reason, (event::jsonb -> 'sequence')::integer as sequence from store.rejected_events
     where site_id = $1 and detail like '%no_poison%' order by sequence`,
    [siteId],
  );
  expect(rows).toEqual([17, 18, 299].map((sequence) => ({ reason: 'unstorable', sequence })));
});

test('JSON nested deeper than PostgreSQL’s stack, and a body that is none, stop nothing', async () => {
  const { siteId } = await createSite(db.pool);
  const deep = JSON.stringify(events(1)[0]).replace(
    '{',
    `{"properties":{"deep":${'['.repeat(50_000)}${']'.repeat(50_000)}},`,
  );
  const envelope = { siteId, receivedAt: Date.now(), isTrusted: false, ingestedBy: 'events' };
  await buffer.append(envelope, Buffer.from(`{"batch":[${deep}]}`));
  await buffer.append(envelope, Buffer.from('{"batch":'));
  await append(siteId, events(3));
  await startWriter({ buffer, pool: db.pool, log }).stop();
  expect(await countOf(siteId)).toBe(3);
  const { rows } = await db.pool.query('select reason from store.rejected_events where site_id = $1', [
    siteId,
  ]);
  expect(rows).toEqual([{ reason: 'unstorable' }, { reason: 'unstorable' }]);
});

test('while PostgreSQL is stopped nothing is lost, and it goes on when it is back', async () => {
  const own = join(folder, 'postgres');
  let server = await startPostgres({ folder: own });
  const pool = createPool(server.url);
  await migrate(pool);
  const { siteId } = await createSite(pool);
  const failures: unknown[] = [];
  const metrics = { committed() {}, failed: (error: unknown) => void failures.push(error) };
  const writer = startWriter({ buffer, pool, log, metrics });
  let sent = 0;
  const loading = new AbortController();
  const load = (async () => {
    while (!loading.signal.aborted) {
      await append(siteId, events(20));
      sent += 20;
      await sleep(2);
    }
  })();
  const port = Number(new URL(server.url).port);
  for (let stops = 0; stops < 2; stops += 1) {
    await sleep(400);
    await server.stop();
    await sleep(1_500);
    server = await startPostgres({ folder: own, port });
  }
  await sleep(300);
  loading.abort();
  await load;
  await writer.stop();
  expect(failures.length).toBeGreaterThan(0);
  expect([await countOf(siteId, pool), buffer.depth().entries]).toEqual([sent, 0]);
  await pool.end();
  await server.stop();
}, 60_000);

test('it stops in time although PostgreSQL is away, and leaves the rest in the buffer', async () => {
  const pool = createPool('postgres://nobody@127.0.0.1:1/nowhere');
  await append(1, events(3));
  const writer = startWriter({ buffer, pool, log });
  const startedAt = performance.now();
  await writer.stop(300);
  expect(performance.now() - startedAt).toBeLessThan(3_000);
  expect(buffer.depth().entries).toBe(1);
  await pool.end();
});
