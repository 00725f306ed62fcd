import { afterAll, beforeAll, expect, test } from 'vitest';
import { deriveUntilIdle } from '../../src/derive/index.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type Given, makeSite, type Site, storeGiven } from './given.ts';
import { touchpointsOfHouseholds } from './households.ts';
import { expectVerified, textOfViews } from './views.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const lanes = [0, 1, 2];

/** One identity always takes the same lane, as with the writers of one process. */
function laneOf(touchpoint: Given): number {
  const identity = touchpoint.anonymous_id ?? touchpoint.user_id!;
  return identity.charCodeAt(identity.length - 1) % lanes.length;
}

async function write(site: Site, touchpoints: Given[], lane: number): Promise<void> {
  const own = touchpoints.filter((touchpoint) => laneOf(touchpoint) === lane);
  for (let from = 0; from < own.length; from += 97) {
    // Every batch tells the last touchpoints of the one before again.
    await storeGiven(database.pool, site, own.slice(Math.max(0, from - 11), from + 97), { lane });
  }
}

test('three writers and two derivers at once, at three sites, give the same views as one after the other', async () => {
  const { pool } = database;
  const touchpoints = touchpointsOfHouseholds(20);
  const asOf = new Date(Math.max(...touchpoints.map(({ at }) => Number(at))));

  const sites = [await makeSite(pool), await makeSite(pool), await makeSite(pool)];
  let isWriting = true;
  const derivers = [0, 1].map(async () => {
    while (isWriting) await deriveUntilIdle(pool, { asOf: new Date(0) });
  });
  // Backwards, so that nearly every batch is late.
  const backwards = touchpoints.toReversed();
  await Promise.all(
    lanes.map(async (lane) => {
      // Each begins at another site.
      for (const site of [...sites.slice(lane), ...sites.slice(0, lane)]) await write(site, backwards, lane);
    }),
  );
  isWriting = false;
  await Promise.all(derivers);
  await Promise.all([deriveUntilIdle(pool, { asOf }), deriveUntilIdle(pool, { asOf })]);
  await expectVerified(pool);

  const alone = await makeSite(pool);
  await storeGiven(pool, alone, touchpoints);
  await deriveUntilIdle(pool, { asOf });
  const views = await textOfViews(pool, alone);
  for (const site of sites) expect(await textOfViews(pool, site)).toEqual(views);
}, 120_000);
