import { spawnSync } from 'node:child_process';
import { appendFileSync, chownSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startedAgain } from './killed.ts';
import { Load } from './process.ts';
import { expectExactlyOnce, ownPostgres, serve, temporaryFolder } from './served.ts';

test('PostgreSQL in recovery, as a standby: everything is acked, and stored once it is promoted', async () => {
  const database = await ownPostgres();
  const collector = await serve(database.server.current.url, temporaryFolder());
  const load = new Load({ url: collector.url, key: database.writeKey, clients: 4, pauseMs: 5 });
  await load.untilAcked(200);
  await database.server.current.stop();
  const data = join(database.folder, 'postgres');
  const { uid, gid } = statSync(data);
  writeFileSync(join(data, 'standby.signal'), '');
  chownSync(join(data, 'standby.signal'), uid, gid);
  database.server.current = await database.server.start();
  const { rows } = await database.pool.query('select pg_is_in_recovery() as is_standby');
  expect(rows).toEqual([{ is_standby: true }]);
  await load.untilAcked(1_000);
  await database.pool.query('select pg_promote()');
  await load.untilAcked(200);
  await load.stop();
  expect([...load.statuses.keys()]).toEqual([200]);
  expect(await collector.end('SIGTERM')).toBe(0);
  await expectExactlyOnce(database.pool, database.siteId, load.acked);
}, 90_000);

/** A disk of its own, of so many megabytes; null where this user may not make one. */
function smallDisk(megabytes: number): string | null {
  const folder = join(temporaryFolder(), 'disk');
  mkdirSync(folder);
  const made = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'none', folder]);
  if (made.status !== 0) return null;
  onTestFinished(() => {
    spawnSync('umount', ['--lazy', folder]);
  });
  return folder;
}

// A disk that can be filled has to be mounted, which takes root: elsewhere the run counts this test as skipped.
test("PostgreSQL's disk full: everything is acked, and stored once there is room", async (context) => {
  const disk = smallDisk(400);
  if (disk === null) {
    context.skip('only root may mount a small disk');
    return;
  }
  const database = await ownPostgres({ max_wal_size: '64MB', min_wal_size: '32MB' }, disk);
  const collector = await serve(database.server.current.url, temporaryFolder());
  const load = new Load({ url: collector.url, key: database.writeKey, clients: 4, pauseMs: 5 });
  await load.untilAcked(200);
  const ballast = join(disk, 'ballast');
  expect(() => {
    for (;;) appendFileSync(ballast, Buffer.alloc(1024 * 1024));
  }).toThrow('ENOSPC');
  await load.untilAcked(4_000);
  expect(await isStoring(database)).toBe(false);
  rmSync(ballast);
  // Without room for its log PostgreSQL ends, and whoever looks after it starts it again.
  database.server.current = await startedAgain(database.server.start);
  await load.untilAcked(200);
  await load.stop();
  expect([...load.statuses.keys()]).toEqual([200]);
  expect(await collector.end('SIGTERM')).toBe(0);
  await expectExactlyOnce(database.pool, database.siteId, load.acked);
}, 90_000);

/** Whether PostgreSQL still takes something larger than what it has room for already. */
async function isStoring({ pool }: Awaited<ReturnType<typeof ownPostgres>>): Promise<boolean> {
  return pool
    .query("create table ballast as select repeat('x', 1000) as text from generate_series(1, 100000)")
    .then(
      () => true,
      () => false,
    );
}
