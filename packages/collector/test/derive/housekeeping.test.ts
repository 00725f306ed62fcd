import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { updateSite } from '../../src/database/sites.ts';
import { Deriver } from '../../src/derive/derive.ts';
import { verify } from '../../src/derive/index.ts';
import { importFile } from '../../src/import/import.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';
import { type Given, storeGiven } from './given.ts';

let database: TestDatabase;
let deriver: Deriver;
beforeAll(async () => {
  database = await createDatabase();
  deriver = await Deriver.open(database.pool);
});
afterAll(async () => {
  await deriver.close();
  await database.drop();
});

test('rejected events and counts are kept as long as their site says', async () => {
  const { pool } = database;
  const { siteId } = await createSite(pool);
  const { siteId: patient } = await createSite(pool);
  await updateSite(pool, patient, { rejected_kept: '60 days', counters_kept: '800 days' });
  await pool.query(
    `insert into store.rejected_events (site_id, rejected_id, received_at, reason, ingested_by)
     select sites.site_id, gen_random_uuid(), now() - ages.age * interval '1 day', 'invalid', 'events'
     from unnest($1::integer[]) as sites (site_id) cross join unnest(array[1, 29, 31, 59, 61]) as ages (age)`,
    [[siteId, patient]],
  );
  await pool.query(
    `insert into store.counters (site_id, day, name, value)
     select sites.site_id, current_date - ages.age, 'duplicate', 1
     from unnest($1::integer[]) as sites (site_id) cross join unnest(array[0, 399, 402, 802]) as ages (age)`,
    [[siteId, patient]],
  );
  await deriver.keepHouse();
  const { rows } = await pool.query(
    `select sites.site_id,
       (select count(*)::integer from store.rejected_events where rejected_events.site_id = sites.site_id) as rejected,
       (select count(*)::integer from store.counters where counters.site_id = sites.site_id) as counted
     from store.sites where sites.site_id = any ($1) order by 1`,
    [[siteId, patient]],
  );
  expect(rows).toEqual([
    { site_id: siteId, rejected: 2, counted: 2 },
    { site_id: patient, rejected: 4, counted: 3 },
  ]);
});

test('a queue that is vacuumed does not grow, however often it was filled and emptied', async () => {
  const { pool } = database;
  const site = await createSite(pool);
  const sizes: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    for (let batch = 0; batch < 40; batch += 1) {
      const at = Date.parse('2026-03-02T09:00Z') + (round * 40 + batch) * 1_000;
      const touchpoints = Array.from({ length: 20 }, (_, index): Given => ({ at, user_id: `user ${index}` }));
      await storeGiven(pool, site, touchpoints);
      await deriver.deriveBatches();
      await deriver.advanceClocks(new Date(at));
    }
    // As autovacuum does once a minute.
    await pool.query('vacuum store.batches, store.clocks, store.feeds, store.collectors, store.counters');
    const { rows } = await pool.query<{ bytes: number }>(
      `select sum(pg_total_relation_size(queue::regclass))::integer as bytes
       from unnest(array['store.batches', 'store.clocks', 'store.feeds', 'store.collectors', 'store.counters']) as queue`,
    );
    sizes.push(rows[0]!.bytes);
  }
  expect(Math.max(...sizes.slice(3))).toBeLessThanOrEqual(Math.max(...sizes.slice(0, 3)));
}, 60_000);

async function partitions(): Promise<string[]> {
  const { rows } = await database.pool.query<{ name: string }>(
    `select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent = 'store.touchpoints'::regclass order by 1`,
  );
  return rows.map(({ name }) => name);
}

test('touchpoints older than their site keeps them go by the month, and their partitions; older ones are refused', async () => {
  const { pool } = database;
  const { siteId } = await createSite(pool);
  const site = { siteId };
  const now = new Date('2026-03-20T12:00:00Z');
  await pool.query(`select store.make_partitions('2026-01-15')`);
  expect(await partitions()).toContain('touchpoints_2025_12');
  await storeGiven(
    pool,
    site,
    ['2025-11-20', '2025-12-24', '2026-01-15', '2026-02-10', '2026-03-10'].flatMap((day) =>
      ['10:00', '10:01', '10:02'].map((time): Given => ({ anonymous_id: 'ada', at: `${day}T${time}:00Z` })),
    ),
  );
  while ((await deriver.deriveBatches()) > 0);
  await deriver.advanceClocks(now);
  expect(await deriver.keepHouse(now)).toEqual([]);

  await updateSite(pool, siteId, { retention: '60 days' });
  const cuts = await deriver.keepHouse(now);
  expect(cuts.map(({ until, touchpoints }) => [until.toISOString(), touchpoints])).toEqual([
    ['2025-12-01T00:00:00.000Z', 1],
    ['2026-01-01T00:00:00.000Z', 3],
  ]);
  expect(await deriver.keepHouse(now)).toEqual([]);
  // What is kept of the months that are gone has moved.
  const { rows } = await pool.query<{ place: string; count: number }>(
    `select tableoid::regclass::text as place, count(*)::integer as count
     from store.touchpoints where site_id = $1 and occurred_at < '2026-02-01' group by 1 order by 1`,
    [siteId],
  );
  expect(rows).toEqual([
    { place: 'store.touchpoints_2026_01', count: 3 },
    { place: 'store.touchpoints_default', count: 2 },
  ]);
  expect(await partitions()).not.toContain('touchpoints_2025_12');
  const { differences } = await verify(pool);
  expect(differences).toEqual([]);

  const folder = mkdtempSync(join(tmpdir(), 'milepost-retention-'));
  const file = join(folder, 'old.ndjson');
  writeFileSync(
    file,
    ['2025-12-31T23:59:59Z', '2026-01-01T00:00:00Z']
      .map((at) => JSON.stringify({ name: 'store_visit', source: 'store', user_id: 'u1', occurred_at: at }))
      .join('\n'),
  );
  const imported = await importFile(pool, {
    file,
    siteId,
    format: 'ndjson',
    delimiter: ',',
    mapping: null,
    timeZone: 'UTC',
    rejectsFile: `${file}.rejects`,
  });
  expect(imported).toMatchObject({ stored: 1, rejected: 1 });
  expect(readFileSync(`${file}.rejects`, 'utf8')).toContain('before_retention');
  rmSync(folder, { recursive: true });
});
