/** A setting that derivation reads is changed behind the old answers. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SiteSettings, updateSite } from '../../src/database/sites.ts';
import { deriveUntilIdle, startDerive } from '../../src/derive/index.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { makeSite, storeGiven } from './given.ts';
import { touchpointsOfHouseholds } from './households.ts';
import { expectVerified, textOfViews } from './views.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const others: SiteSettings = {
  currency: 'USD',
  time_zone: 'America/New_York',
  session_gap: '5 minutes',
  cart_delay: '20 minutes',
  is_session_split_by_campaign: false,
  own_hosts: ['google.com'],
};

async function isWaiting(siteId: number): Promise<boolean> {
  const { rows } = await database.pool.query('select from store.rederivations where site_id = $1', [siteId]);
  return rows.length > 0;
}

test('the old answers stay until the switch, then all is as if the setting had been so from the beginning', async () => {
  const { pool } = database;
  const touchpoints = touchpointsOfHouseholds(6);
  const asOf = new Date(Math.max(...touchpoints.map(({ at }) => Number(at))));
  const site = await makeSite(pool);
  const half = touchpoints.filter((_, index) => index % 2 === 0);
  const rest = touchpoints.filter((_, index) => index % 2 === 1);
  await storeGiven(pool, site, half);
  await deriveUntilIdle(pool, { asOf });
  const before = await textOfViews(pool, site);

  const updated = await updateSite(pool, site.siteId, {
    ...others,
    engaged_after: '3 seconds',
    name: 'Other',
  });
  expect(updated?.waiting.toSorted()).toEqual(Object.keys(others).toSorted());
  const { rows: at } = await pool.query(
    'select name, currency, engaged_after::text from store.sites where site_id = $1',
    [site.siteId],
  );
  expect(at).toEqual([{ name: 'Other', currency: 'EUR', engaged_after: '00:00:03' }]);
  await pool.query('update store.sites set engaged_after = default where site_id = $1', [site.siteId]);
  expect(await textOfViews(pool, site)).toEqual(before);
  const { rows: cursors } = await pool.query<{ cursor: string }>(
    'select last_cursor as cursor from store.feeds where site_id = $1',
    [site.siteId],
  );

  // A serving collector does it, while more is stored.
  const derive = startDerive({ pool, log: pino({ level: 'silent' }), derivers: 1 });
  try {
    for (let from = 0; from < rest.length; from += 20) {
      await storeGiven(pool, site, rest.slice(from, from + 20));
      derive.wake();
    }
    while (await isWaiting(site.siteId)) await sleep(50);
    await derive.drain();
  } finally {
    await derive.stop();
  }
  const now = new Date(Math.max(Date.now(), asOf.getTime()));
  await deriveUntilIdle(pool, { asOf: now });

  const alone = await makeSite(pool, others);
  await storeGiven(pool, alone, half);
  await storeGiven(pool, alone, rest);
  await deriveUntilIdle(pool, { asOf: now });
  const views = await textOfViews(pool, site);
  const wanted = await textOfViews(pool, alone);
  for (const [view, rows] of Object.entries(wanted)) expect(views[view], view).toEqual(rows);
  await expectVerified(pool);

  // No trigger is armed by it, and whoever follows the feed knows where everybody stands.
  const { rows: sites } = await pool.query<{ is_quiet: boolean }>(
    `select triggers_from > now() - interval '10 minutes' as is_quiet from store.sites where site_id = $1`,
    [site.siteId],
  );
  expect(sites).toEqual([{ is_quiet: true }]);
  const { rows: told } = await pool.query<{ type: string }>(
    `select distinct type from journey.changes where site_id = $1 and cursor > $2 and origin = 'settings' order by type`,
    [site.siteId, cursors[0]!.cursor],
  );
  expect(told.map(({ type }) => type)).toContain('cart.changed');
  const { rows: missed } = await pool.query(
    `select current_stages.person_id
     from journey.current_stages
     left join lateral (
       select changes.after
       from journey.changes
       where changes.site_id = current_stages.site_id and changes.person_id = current_stages.person_id
         and changes.type = 'stage.changed'
       order by changes.cursor desc
       limit 1
     ) as latest on true
     where current_stages.site_id = $1 and current_stages.stage is distinct from latest.after ->> 'stage'`,
    [site.siteId],
  );
  expect(missed).toEqual([]);
  const { rows: missedCarts } = await pool.query(
    `select carts.cart_key
     from journey.carts
     left join lateral (
       select changes.after
       from journey.changes
       where changes.site_id = carts.site_id and changes.subject_id = carts.cart_key::text
         and changes.type in ('cart.changed', 'cart.recovered')
       order by changes.cursor desc
       limit 1
     ) as latest on true
     where carts.site_id = $1 and carts.state is distinct from latest.after ->> 'state'`,
    [site.siteId],
  );
  expect(missedCarts).toEqual([]);
}, 60_000);

test('what is the same as before, or asked for already, derives nothing again', async () => {
  const { pool } = database;
  const site = await makeSite(pool);
  expect(await updateSite(pool, site.siteId, others), 'nothing is derived yet').toEqual({ waiting: [] });
  await storeGiven(pool, site, touchpointsOfHouseholds(1));
  expect(await updateSite(pool, site.siteId, others)).toEqual({ waiting: [] });
  expect(await isWaiting(site.siteId)).toBe(false);
  expect(await updateSite(pool, site.siteId, { currency: 'CHF', name: 'Again' })).toEqual({
    waiting: ['currency'],
  });
  expect(await updateSite(pool, site.siteId, { currency: 'CHF' })).toEqual({ waiting: [] });
  expect(await updateSite(pool, 4711, { currency: 'CHF' })).toBeUndefined();
});
