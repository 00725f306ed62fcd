import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deriveUntilIdle } from '../../src/derive/index.ts';
import { databaseFindings, environmentFindings } from '../../src/doctor/index.ts';
import { diskFindings } from '../../src/doctor/process.ts';
import { settingsFindings, skewFindings } from '../../src/doctor/server.ts';
import { storeGiven } from '../derive/given.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { createSite } from '../support/site.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

// the servers of tests are hasty, which the doctor says of them
const ofServer = new Set([
  'fsync',
  'full_page_writes',
  'synchronous_commit',
  'autovacuum',
  'long_transaction',
]);
const found = async () =>
  (await databaseFindings(db.pool))
    .filter(({ check }) => !ofServer.has(check))
    .map(({ check, level, site_id: site }) => ({ check, level, site }));

test('a database without a site, then without a key, then without an origin', async () => {
  expect(await found()).toEqual([{ check: 'site', level: 'wrong', site: null }]);
  const { siteId } = await createSite(db.pool, { allowed_origins: [] });
  expect(await found()).toEqual([{ check: 'allowed_origins', level: 'wrong', site: siteId }]);
  await db.pool.query('update store.keys set revoked_at = now()');
  expect(await found()).toEqual([{ check: 'key', level: 'wrong', site: siteId }]);
  await db.pool.query('update store.keys set revoked_at = null');
  await db.pool.query(`update store.sites set allowed_origins = '{*}'`);
  expect(await found()).toEqual([]);
});

test('what a site could not use, and who is behind', async () => {
  const { siteId } = await createSite(db.pool, { runaway_limit: 3 });
  const now = Date.now();
  await storeGiven(db.pool, { siteId }, [
    ...[1, 2, 3, 4, 5].map((minute) => ({
      at: now - 48 * 3_600_000 + minute * 60_000,
      name: 'page_view',
      anonymous_id: 'busy',
    })),
    {
      at: now - 47 * 3_600_000,
      name: 'purchase',
      anonymous_id: 'ada',
      properties: { transaction_id: 'o-1', value: 5, currency: 'USD' },
    },
  ]);
  await deriveUntilIdle(db.pool);
  await storeGiven(db.pool, { siteId }, [
    { at: now - 46 * 3_600_000, name: 'page_view', anonymous_id: 'eve' },
  ]);
  await db.pool.query(`update store.batches set stored_at = stored_at - interval '2 minutes'`);
  await db.pool.query(
    `insert into store.collectors (collector_id, acked_until, seen_at) values ('gone', now(), now() - interval '1 hour')`,
  );
  await db.pool.query(
    `insert into store.rejected_events (site_id, rejected_id, received_at, reason, ingested_by)
     select $1, gen_random_uuid(), now() - interval '1 hour' * hours, 'no_identity', 'test' from unnest(array[1, 2, 25]) as hours`,
    [siteId],
  );
  expect(await found()).toEqual([
    { check: 'derive_lag', level: 'wrong', site: siteId },
    { check: 'silent_collector', level: 'wrong', site: null },
    { check: 'silent_site', level: 'note', site: siteId },
    { check: 'unconverted_orders', level: 'wrong', site: siteId },
    { check: 'rejected_events', level: 'note', site: siteId },
    { check: 'runaway_persons', level: 'note', site: siteId },
  ]);
  const rejects = (await databaseFindings(db.pool)).find(({ check }) => check === 'rejected_events');
  expect(rejects?.found).toMatch(/^2 events of site \d+ were rejected within 24 hours: no_identity\.$/);
});

test('a month without a partition', async () => {
  await db.pool.query(`
    do $$ begin
      execute 'drop table store.touchpoints_' || to_char(now() at time zone 'UTC' + interval '1 month', 'YYYY_MM');
    end $$`);
  expect(await found()).toContainEqual({ check: 'partitions', level: 'wrong', site: null });
  await db.pool.query('select store.make_partitions(now())');
  expect(await found()).not.toContainEqual(expect.objectContaining({ check: 'partitions' }));
});

test('the command prints what it found and ends with 1; of an older database it looks at the server alone', async () => {
  await db.pool.query(`update store.rebuilds set checksum = 'another'`);
  const folder = mkdtempSync(join(tmpdir(), 'milepost-doctor-'));
  const env = { DATABASE_URL: db.url, BUFFER_URL: `lmdb:${folder}`, HOST: '0.0.0.0' };
  const ended = await milepost(['doctor', '--json'], env);
  const text = await milepost(['doctor'], env);
  rmSync(folder, { recursive: true });
  expect(ended.code).toBe(1);
  const checks = (JSON.parse(ended.stdout) as { check: string }[]).map(({ check }) => check);
  expect(checks).toEqual(expect.arrayContaining(['metrics_token', 'migrations']));
  expect(checks).not.toContain('derive_lag');
  expect(text.stdout).toMatch(/^wrong {2}migrations: .+\n {7}Run milepost migrate/m);
});

test.each([
  { settings: { server_version_num: '140011' }, checks: ['postgres_version'] },
  { settings: { server_version_num: '150011', autovacuum: 'off' }, checks: ['autovacuum'] },
  {
    settings: { server_version_num: '180001', fsync: 'off', synchronous_commit: 'off' },
    checks: ['fsync', 'synchronous_commit'],
  },
  {
    settings: { server_version_num: '170002', autovacuum: 'on', fsync: 'on', synchronous_commit: 'local' },
    checks: [],
  },
])('settings of PostgreSQL: $settings', ({ settings, checks }) => {
  expect(settingsFindings(settings as unknown as Record<string, string>).map(({ check }) => check)).toEqual(
    checks,
  );
});

test.each([
  { there: 5_500, says: [] },
  { there: 6_900, says: [] },
  { there: 8_500, says: [expect.stringContaining('2.5 s ahead')] },
  { there: 3_000, says: [expect.stringContaining('2 s behind')] },
])('a clock at $there, read between 5,000 and 6,000', ({ there, says }) => {
  expect(skewFindings({ before: 5_000, after: 6_000, there }).map(({ found }) => found)).toEqual(says);
});

test('a disk with less room than the buffer may take is noted, a full one is wrong', () => {
  const disk = (freeBytes: number) =>
    diskFindings({ folder: '/data', freeBytes, limitBytes: 2 ** 32 }).map(({ level }) => level);
  expect([disk(2 ** 33), disk(2 ** 31), disk(2 ** 20)]).toEqual([[], ['note'], ['wrong']]);
});

test('a bad variable is named', () => {
  expect(environmentFindings({ DATABASE_URL: 'postgres://here/x', PORT: 'many' })).toMatchObject([
    { check: 'environment', found: expect.stringContaining('PORT') as unknown },
  ]);
});
