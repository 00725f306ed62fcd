/** Whatever the order of arrival, where late touchpoints are derived from checkpoints a few touchpoints apart. */
import { test } from 'vitest';
import { applyModel } from '../../src/models/apply.ts';
import { readModel } from '../../src/models/shipped.ts';
import { testArrivals } from './arrivals.ts';
import { database, keepCheckpointsApart } from './fixture.ts';
import { makeSite, removeSite, storeGiven } from './given.ts';
import { expectAsReference, expectVerified } from './views.ts';

keepCheckpointsApart(2);
testArrivals();

test('what was kept under one journey model is nothing to begin at under another', async () => {
  const site = await makeSite(database.pool);
  const start = Date.parse('2026-01-05T10:00Z');
  const names = ['page_view', 'view_item', 'add_to_cart', 'page_view', 'view_item', 'page_view'];
  const touchpoints = names.map((name, index) => ({ anonymous_id: 'ada', at: start + index * 60_000, name }));
  await storeGiven(database.pool, site, touchpoints);
  const asOf = start + 3_600_000;
  await database.derive(asOf);
  await applyModel(database.pool, { siteId: site.siteId, model: await readModel('b2b_saas') });
  await storeGiven(database.pool, site, [
    { anonymous_id: 'ada', at: start + 270_000, name: 'demo_requested' },
  ]);
  await database.derive(asOf);
  await expectVerified(database.pool);
  await expectAsReference(database.pool, site, asOf);
  await removeSite(database.pool, site);
});
