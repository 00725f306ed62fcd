import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { readConfig } from '../../src/config.ts';
import { type Server, startServer } from '../../src/server.ts';
import { type TestDatabase, createDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { type TestSite, createSite } from '../support/site.ts';

let database: TestDatabase;
let folder: string;
let server: Server;
let site: TestSite;

beforeAll(async () => {
  database = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'milepost-simulate-'));
  server = await startServer(
    readConfig({
      DATABASE_URL: database.url,
      PORT: '0',
      BUFFER_URL: `lmdb:${join(folder, 'buffer')}`,
      LOG_LEVEL: 'silent',
      // What arrives is the matter here; deriving it is tested elsewhere.
      ROLES: 'ingest,write',
    }),
  );
});
beforeEach(async () => {
  site = await createSite(database.pool);
});
afterAll(async () => {
  await server.stop();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

type Sent = { accepted: number; rejected: number; reasons: object; without_key: number };

async function simulate(...args: string[]): Promise<Sent> {
  const ended = await milepost(
    [
      'simulate',
      '--url',
      server.url,
      '--write-key',
      site.writeKey,
      '--json',
      '--start',
      '2026-10-01T00:00:00Z',
      ...args,
    ],
    { DATABASE_URL: database.url },
  );
  expect(ended.stderr).toBe('');
  expect(ended.code).toBe(0);
  return JSON.parse(ended.stdout) as Sent;
}

async function storedIds(): Promise<string[]> {
  const { rows } = await database.pool.query<{ id: string }>(
    'select touchpoint_id as id from store.touchpoints where site_id = $1 order by touchpoint_id',
    [site.siteId],
  );
  return rows.map(({ id }) => id);
}

test('a journey sent by HTTP is stored once, however often it is sent', async () => {
  const first = await simulate('--persons', '60', '--seed', '3', '--secret-key', site.secretKey);
  expect(first).toMatchObject({ rejected: 0, reasons: {}, without_key: 0 });
  expect(first.accepted).toBeGreaterThan(300);
  await expect
    .poll(async () => (await storedIds()).length, { timeout: 20_000 })
    .toBeGreaterThan(first.accepted * 0.9);
  const ids = await storedIds();

  const { accepted } = await simulate('--persons', '60', '--seed', '3', '--secret-key', site.secretKey);
  expect(accepted).toBe(first.accepted);
  await expect
    .poll(
      async () => {
        const { rows } = await database.pool.query<{ value: string }>(
          `select sum(value) as value from store.counters where site_id = $1 and name = 'duplicate'`,
          [site.siteId],
        );
        return Number(rows[0]?.value);
      },
      { timeout: 20_000 },
    )
    .toBe(2 * accepted - ids.length);
  expect(await storedIds()).toEqual(ids);
});

test('a file holds the same touchpoints as the requests, and can be imported', async () => {
  const file = join(folder, 'traffic.ndjson');
  const args = ['--persons', '40', '--seed', '5', '--start', '2026-10-01T00:00:00Z', '--json'];
  const written = await milepost(['simulate', '--out', file, ...args]);
  expect(written.code).toBe(0);
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  const ids = new Set(lines.map((line) => (JSON.parse(line) as { id: string }).id));

  const imported = await milepost(
    [
      'import',
      file,
      '--site',
      String(site.siteId),
      '--no-derive',
      '--json',
      '--rejects',
      join(folder, 'rejects'),
    ],
    { DATABASE_URL: database.url },
  );
  expect(imported.stderr).toBe('');
  expect(JSON.parse(imported.stdout)).toMatchObject({
    stored: ids.size,
    duplicates: lines.length - ids.size,
    rejected: 0,
    is_finished: true,
  });
  expect(await storedIds()).toEqual([...ids].sort());

  const sent = await simulate('--persons', '40', '--seed', '5', '--secret-key', site.secretKey);
  expect(sent.accepted).toBe(lines.length);
});

test('the load of the benchmarks can be sent too, bounded in count', async () => {
  const { accepted, rejected } = await simulate(
    '--profile',
    'bench',
    '--touchpoints',
    '2000',
    '--start',
    '2026-11-01T00:00:00Z',
  );
  expect(rejected).toBe(0);
  expect(accepted).toBeGreaterThanOrEqual(2_000);
  await expect.poll(async () => (await storedIds()).length, { timeout: 20_000 }).toBe(2_000);
});

test.each([
  { args: ['--profile', 'rush'], says: 'there is no profile “rush”' },
  { args: ['--persons', 'many'], says: 'Give a whole number' },
  { args: ['--write-key', 'wk_unknown', '--persons', '5'], says: 'unknown-key' },
])('$args is refused in a sentence', async ({ args, says }) => {
  const ended = await milepost(['simulate', '--url', server.url, '--write-key', 'wk_nobody', ...args]);
  expect(ended.code).not.toBe(0);
  expect(ended.stderr).toContain(says);
  expect(ended.stderr).not.toContain('    at ');
});
