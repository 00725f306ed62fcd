import { pino } from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type DeriveLoop, startDerive } from '../../src/derive/index.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { makeSite, storeGiven } from './given.ts';
import { touchpointsOfHouseholds } from './households.ts';
import { expectVerified } from './views.ts';

let database: TestDatabase;
let loop: DeriveLoop;
beforeAll(async () => {
  database = await createDatabase();
  loop = startDerive({ pool: database.pool, log: pino({ level: 'silent' }) });
});
afterAll(async () => {
  await loop.stop();
  await database.drop();
});

async function derived(): Promise<void> {
  loop.wake();
  await vi.waitFor(
    async () => {
      const { rows } = await database.pool.query('select from store.batches limit 1');
      expect(rows).toHaveLength(0);
    },
    { timeout: 30_000, interval: 50 },
  );
}

test('a migration may give any table another column while a deriver is connected, and derivation goes on', async () => {
  const { pool } = database;
  const site = await makeSite(pool);
  const touchpoints = touchpointsOfHouseholds(4);
  const half = touchpoints.length / 2;
  await storeGiven(pool, site, touchpoints.slice(0, half));
  await derived();

  const { rows: tables } = await pool.query<{ name: string }>(
    `select pg_class.oid::regclass::text as name
     from pg_class
     where pg_class.relnamespace = 'store'::regnamespace and pg_class.relkind in ('r', 'p') and not pg_class.relispartition
     order by 1`,
  );
  for (const { name } of tables) {
    await pool.query(`alter table ${name} add column added_later integer not null default 7`);
  }
  await storeGiven(pool, site, touchpoints.slice(half));
  await derived();
  await expectVerified(pool);
}, 60_000);
