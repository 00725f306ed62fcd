import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { startPostgres } from '../../src/database/embedded.ts';
import { migrate } from '../../src/database/migrate.ts';
import { createPool } from '../../src/database/pool.ts';
import { createDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';
import { Load } from './process.ts';
import { expectExactlyOnce, serve, temporaryFolder } from './served.ts';

// MILEPOST_CRASH_SECONDS=10 makes the outage as long as the one promised; the default keeps the suite quick.
const outageSeconds = Number(process.env['MILEPOST_CRASH_SECONDS'] ?? 3);

test('kill -9 under load: after the restart nothing acked is missing, and nothing is there twice', async () => {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const { siteId, writeKey } = await createSite(database.pool);
  const collector = await serve(database.url, temporaryFolder());
  const load = new Load({ url: collector.url, key: writeKey });
  for (let round = 0; round < 2; round += 1) {
    await load.untilAcked(400 + round * 130);
    await collector.end('SIGKILL');
    await collector.start();
  }
  await load.untilAcked(200);
  await load.stop();
  expect(await collector.end('SIGTERM')).toBe(0);

  expect(load.statuses.get('no answer')).toBeGreaterThan(0);
  await expectExactlyOnce(database.pool, siteId, load.acked);
}, 120_000);

test(`PostgreSQL away for ${outageSeconds} s under load: everything is acked and nothing acked is missing`, async () => {
  const postgresFolder = temporaryFolder();
  let postgres = await startPostgres({ folder: postgresFolder });
  onTestFinished(() => postgres.stop());
  const pool = createPool(postgres.url);
  onTestFinished(() => pool.end());
  await migrate(pool);
  const { siteId, writeKey } = await createSite(pool);
  const collector = await serve(postgres.url, temporaryFolder());
  const load = new Load({ url: collector.url, key: writeKey, clients: 4, pauseMs: 20 });
  await load.untilAcked(500);

  await postgres.stop();
  const stoppedAt = Date.now();
  await load.untilAcked(500);
  const notReady = await fetch(`${collector.url}/readyz`);
  expect(notReady.status).toBe(503);
  expect(await notReady.json()).toMatchObject({ checks: { buffer: true, database: false } });
  await sleep(outageSeconds * 1_000 - (Date.now() - stoppedAt));
  await load.untilAcked(500);
  postgres = await startPostgres({ folder: postgresFolder });

  await load.untilAcked(500);
  await load.stop();
  expect([...load.statuses.keys()]).toEqual([200]);
  expect(await collector.end('SIGTERM')).toBe(0);
  await expectExactlyOnce(pool, siteId, load.acked);
}, 120_000);

test('SIGTERM under load: what was acked is in PostgreSQL when the process ends', async () => {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const { siteId, writeKey } = await createSite(database.pool);
  const collector = await serve(database.url, temporaryFolder());
  const load = new Load({ url: collector.url, key: writeKey });
  await load.untilAcked(600);
  const code = await collector.end('SIGTERM');
  const { acked } = load;
  expect(code).toBe(0);
  await expectExactlyOnce(database.pool, siteId, acked);
  expect([...load.statuses.keys()].every((status) => [200, 503, 'no answer'].includes(status))).toBe(true);
  // The clients keep what they could not deliver: to the next process.
  await collector.start();
  await load.stop();
  expect(await collector.end('SIGTERM')).toBe(0);
  await expectExactlyOnce(database.pool, siteId, load.acked);
}, 120_000);
