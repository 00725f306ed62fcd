/** Deriving everything again: beside the live rows, by several workers, whatever happens meanwhile. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { deriveUntilIdle, rebuild } from '../../src/derive/index.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type Given, makeSite, type Site, storeGiven } from './given.ts';
import { touchpointsOfHouseholds } from './households.ts';
import { expectVerified, textOfViews } from './views.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
let database: TestDatabase;
afterEach(() => database.drop());

const asOfAll = (touchpoints: Given[]) => new Date(Math.max(...touchpoints.map(({ at }) => Number(at))));

/** A database with that many sites, all with the touchpoints of the households, in steps of so many touchpoints. */
async function derived({ sites, households, step }: { sites: number; households: number; step: number }) {
  database = await createDatabase();
  const { pool, url } = database;
  await pool.query(
    `alter database ${new URL(url).pathname.slice(1)} set milepost.touchpoints_per_step = ${step}`,
  );
  const touchpoints = touchpointsOfHouseholds(households);
  const made: Site[] = [];
  for (let index = 0; index < sites; index += 1) {
    const site = await makeSite(pool);
    await storeGiven(pool, site, touchpoints);
    made.push(site);
  }
  await deriveUntilIdle(pool, { asOf: asOfAll(touchpoints) });
  return { pool, url, sites: made, touchpoints };
}

/** Spoils what is derived of every site, in rows of every kind. */
async function spoil(): Promise<void> {
  await database.pool.query(`
    update store.persons set stage = 'loyal', next_due_at = null where person_id::text < '8';
    delete from store.sessions where session_id::text like '%1';
    delete from store.stage_transitions where person_id::text > 'c';
    update store.orders set gross = gross + 1;
    delete from store.carts;
    update store.day_metrics set sessions = sessions + 7;
    update store.stage_days set stays = stays + 1;
    delete from store.stage_lengths;
    update store.identities set last_seen_at = last_seen_at + interval '1 day' where spell = 1;
    insert into store.stage_standings values (1, 'nowhere', 1, 1, 1);
    delete from store.person_days where person_id::text < '4'`);
}

test('rows of every kind come out right again, one site at a time or all, whatever the number of workers', async () => {
  const { pool, sites } = await derived({ sites: 2, households: 5, step: 40 });
  const [first, second] = sites as [Site, Site];
  const views = await textOfViews(pool, first);
  await spoil();
  const spoilt = await textOfViews(pool, second);
  expect(await rebuild(pool, { siteId: first.siteId, workers: 4 })).toBeGreaterThan(30);
  expect(await textOfViews(pool, first)).toEqual(views);
  expect(await textOfViews(pool, second)).toEqual(spoilt);
  await rebuild(pool, { workers: 1 });
  expect(await textOfViews(pool, second)).toEqual(views);
  await expectVerified(pool);
  expect(await rebuild(pool)).toBe(0);
  const { rows } = await pool.query(
    `select to_regnamespace('rebuild') as twins, (select count(*)::integer from store.rederivations) as left_over`,
  );
  expect(rows, 'nothing is left behind').toEqual([{ twins: null, left_over: 0 }]);
}, 60_000);

test('a rebuild that was killed goes on where it was', async () => {
  const { pool, url, sites } = await derived({ sites: 1, households: 14, step: 12 });
  const [site] = sites as [Site];
  const views = await textOfViews(pool, site);
  await spoil();
  const spoilt = await textOfViews(pool, site);
  const child = spawn(process.execPath, [main, 'rebuild', '--workers', '2', '--json'], {
    env: { PATH: process.env['PATH'], DATABASE_URL: url },
    stdio: 'inherit',
  });
  const progress = async () => {
    const { rows } = await pool.query<{ phase: string; token: string; done: number; total: number }>(
      `select rederivations.token, progress.phase, progress.done::integer, progress.total::integer
       from store.rederivations cross join lateral store.rederivation_progress(rederivations.site_id) as progress`,
    );
    return rows[0];
  };
  let seen = await progress();
  while (!(seen?.phase === 'persons' && seen.done > 0)) {
    expect(child.exitCode, 'it was killed before it was done').toBeNull();
    seen = await progress();
  }
  child.kill('SIGKILL');
  await once(child, 'exit');
  // PostgreSQL ends the steps under way by itself.
  for (let isBusy = true; isBusy;) {
    const { rows } = await pool.query<{ is_busy: boolean }>(
      `select exists (select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
         and query like '%store.rederive%' and state <> 'idle') as is_busy`,
    );
    isBusy = rows[0]!.is_busy;
    await sleep(20);
  }
  const left = await progress();
  expect(await textOfViews(pool, site), 'readers see the old answers').toEqual(spoilt);
  expect(left).toMatchObject({ token: seen.token, phase: 'persons' });
  expect(left!.done).toBeGreaterThan(0);
  expect(left!.done).toBeLessThan(left!.total);

  const told: number[] = [];
  await rebuild(pool, {
    workers: 2,
    onProgress: (phase, done) => phase !== 'tables' && told.push(phase === 'persons' ? done : -1),
  });
  expect(
    told.every((done) => done >= left!.done),
    'no identity is done again, and no person',
  ).toBe(true);
  expect(await textOfViews(pool, site)).toEqual(views);
  await expectVerified(pool);
}, 60_000);

test('rows lost in a crash of PostgreSQL are made anew', async () => {
  const { pool, sites } = await derived({ sites: 1, households: 6, step: 20 });
  const [site] = sites as [Site];
  const views = await textOfViews(pool, site);
  await spoil();
  const ending = new AbortController();
  await rebuild(pool, {
    workers: 1,
    signal: ending.signal,
    onProgress: (phase) => phase === 'persons' && ending.abort(),
  });
  const { rows } = await pool.query<{ place: string }>(
    `select oid::regclass::text as place from pg_class
     where relnamespace = 'rebuild'::regnamespace and relkind = 'r' and relpersistence = 'u'`,
  );
  await pool.query(`truncate ${rows.map(({ place }) => place).join(', ')}, store.rederivation_notes`);
  await rebuild(pool);
  expect(await textOfViews(pool, site)).toEqual(views);
  await expectVerified(pool);
}, 60_000);

test('touchpoints stored and derived meanwhile are in what is switched to', async () => {
  const { pool, sites, touchpoints } = await derived({ sites: 2, households: 5, step: 25 });
  const [first, second] = sites as [Site, Site];
  const more = touchpointsOfHouseholds(10).toReversed();
  const asOf = new Date(asOfAll(more).getTime() + 86_400_000);
  await spoil();
  const progress = { isWriting: true };
  const derivers = [0, 1].map(async () => {
    let clock = asOfAll(touchpoints).getTime();
    while (progress.isWriting) await deriveUntilIdle(pool, { asOf: new Date((clock += 3_600_000)) });
  });
  const rebuilding = (async () => {
    while (progress.isWriting) await rebuild(pool, { workers: 2 });
  })();
  await Promise.all(
    [0, 1, 2].map(async (lane) => {
      for (let from = lane * 61; from < more.length; from += 3 * 61) {
        const part = more.slice(from, from + 61);
        await storeGiven(pool, first, part, { lane });
        await storeGiven(pool, second, part, { lane });
      }
    }),
  );
  progress.isWriting = false;
  await Promise.all([...derivers, rebuilding]);
  await deriveUntilIdle(pool, { asOf });
  await rebuild(pool);
  await expectVerified(pool);
  const alone = await makeSite(pool);
  await storeGiven(pool, alone, touchpoints);
  await storeGiven(pool, alone, more);
  await deriveUntilIdle(pool, { asOf });
  const views = await textOfViews(pool, alone);
  for (const site of sites) expect(await textOfViews(pool, site)).toEqual(views);
}, 120_000);
