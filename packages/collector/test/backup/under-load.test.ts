/** A backup while touchpoints arrive, and what becomes of the feed's readers. */
import { expect, onTestFinished, test } from 'vitest';
import type { Change } from '../../src/api/change-schema.ts';
import { buildApp } from '../../src/app.ts';
import { createMetrics } from '../../src/operations/metrics.ts';
import { apiConfig } from '../api/fixture.ts';
import { happen } from '../deliver/fixture.ts';
import { touchpointsOfHouseholds } from '../derive/households.ts';
import { expectVerified } from '../derive/views.ts';
import { Load } from '../ingest/process.ts';
import { expectExactlyOnce, serve, temporaryFolder } from '../ingest/served.ts';
import { milepost } from '../support/program.ts';
import { createSite } from '../support/site.ts';
import { backupFile, database, missingDatabase, restoredCopy } from './fixture.ts';

test('a backup under load holds all that was acked before it began, and nothing twice', async () => {
  const { pool, url } = await database();
  const { siteId, writeKey } = await createSite(pool);
  const collector = await serve(url, temporaryFolder());
  const load = new Load({ url: collector.url, key: writeKey, clients: 4, pauseMs: 40 });
  await load.untilAcked(1_000);
  const acked = new Set(load.acked);
  const file = backupFile();
  const made = await milepost(['backup', file, '--json'], { DATABASE_URL: url });
  expect(made.stderr).toBe('');
  await load.untilAcked(100);
  await load.stop();
  expect(await collector.end('SIGTERM')).toBe(0);
  expect(load.acked.size).toBeGreaterThan(acked.size);

  const target = await missingDatabase();
  const restored = await milepost(['restore', file], { DATABASE_URL: target.url });
  expect(restored.stderr).toBe('');
  await expectExactlyOnce(target.pool, siteId, acked);
  await expectVerified(target.pool);

  // A collector goes on with it: the keys open, what was still to be derived is, and what is sent again is known.
  const again = await serve(target.url, temporaryFolder());
  const more = new Load({ url: again.url, key: writeKey, clients: 1 });
  await more.untilAcked(40);
  await more.stop();
  expect(await again.end('SIGTERM')).toBe(0);
  expect([...more.statuses.keys()]).toEqual([200]);
  await expectExactlyOnce(target.pool, siteId, new Set([...acked, ...more.acked]));
  const { rows } = await target.pool.query('select from store.batches');
  expect(rows).toEqual([]);
  await expectVerified(target.pool);
}, 120_000);

test('a collector that fell silent with touchpoints in its buffer is named', async () => {
  const { pool, url } = await database();
  await pool.query(
    `insert into store.collectors (collector_id, acked_until, seen_at)
     values ('gone:/buffer', now() - interval '2 minutes', now() - interval '1 minute')`,
  );
  const made = await milepost(['backup', backupFile(), '--json'], { DATABASE_URL: url });
  expect(made.code).toBe(0);
  expect(made.stderr).toMatch(
    /^collector gone:\/buffer is silent: what it acked since .* is in its buffer alone/,
  );
  expect(JSON.parse(made.stdout)).toMatchObject({ behind: ['gone:/buffer'] });
});

type Page = { changes: Change[]; next_cursor: string; has_more: boolean };

test('cursors of the feed up to the backup hold after a restore, later ones are expired, none is given twice', async () => {
  const { pool } = await database();
  const site = await createSite(pool);
  const apps = new Map<typeof pool, ReturnType<typeof buildApp>>();
  const pageOf = async (from: typeof pool, query: string) => {
    const starting =
      apps.get(from) ??
      buildApp({ config: apiConfig, pool: from, buffer: null, metrics: createMetrics() }).then((app) => {
        onTestFinished(() => app.close());
        return app;
      });
    apps.set(from, starting);
    const answer = await (
      await starting
    ).inject({ url: `/v1/changes?${query}`, headers: { authorization: `Bearer ${site.secretKey}` } });
    return { status: answer.statusCode, ...answer.json<Page>() };
  };
  await happen(pool, site, touchpointsOfHouseholds(1).slice(0, 20));
  const [early] = (await pageOf(pool, 'limit=1')).changes;
  const atBackup = await pageOf(pool, 'start=latest');
  const copy = await restoredCopy(pool);
  await happen(pool, site, [{ at: Date.now() - 1_000, anonymous_id: 'lost', user_id: 'lost' }]);
  const lost = await pageOf(pool, 'start=latest');
  expect(lost.next_cursor).not.toBe(atBackup.next_cursor);

  await happen(copy.pool, site, [
    { at: Date.now() - 1_000, anonymous_id: 'new', user_id: 'new', name: 'product_viewed' },
    { at: Date.now() - 500, anonymous_id: 'new', name: 'add_to_cart', properties: { cart_id: 'n' } },
  ]);
  expect((await pageOf(copy.pool, `cursor=${lost.next_cursor}`)).status).toBe(410);
  const since = await pageOf(copy.pool, `cursor=${atBackup.next_cursor}`);
  const fromEarly = await pageOf(copy.pool, `limit=1000&cursor=${early!.cursor}`);
  // a page may end where the gap begins: the next goes on behind it
  const rest = fromEarly.has_more ? await pageOf(copy.pool, `cursor=${fromEarly.next_cursor}`) : undefined;
  const next = since.has_more ? await pageOf(copy.pool, `cursor=${since.next_cursor}`) : undefined;
  const news = [...since.changes, ...(next?.changes ?? [])];
  expect(news.length).toBeGreaterThan(0);
  const { rows } = await copy.pool.query<{ count: number }>(
    'select count(*)::integer as count from store.changes where site_id = $1',
    [site.siteId],
  );
  expect(1 + fromEarly.changes.length + (rest?.changes.length ?? 0)).toBe(rows[0]!.count);

  // Restored once more, the second gap stands beside the first; dropping by age passes both.
  const second = await restoredCopy(copy.pool);
  expect((await pageOf(second.pool, `cursor=${lost.next_cursor}`)).status).toBe(410);
  for (let dropped = 1; dropped > 0;) {
    const { rows: gone } = await second.pool.query<{ count: number }>(
      `select store.drop_old_changes(now() + interval '1000 days', 7)::integer as count`,
    );
    dropped = gone[0]!.count;
  }
  const { rows: left } = await second.pool.query('select from store.changes');
  expect(left).toEqual([]);
}, 60_000);
