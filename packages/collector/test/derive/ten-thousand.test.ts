import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deriveUntilIdle } from '../../src/derive/index.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { makeSite, removeSite, storeGiven } from './given.ts';
import { deliveryOf } from './histories.ts';
import { seed } from '../support/properties.ts';
import { touchpointsOfHouseholds } from './households.ts';
import { expectVerified, textOfViews } from './views.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

test('the same 10,000 events shuffled, duplicated, split and late give byte-equal views', async () => {
  const { pool } = database;
  const touchpoints = touchpointsOfHouseholds(250);
  expect(new Set(touchpoints.map(({ id }) => id)).size).toBe(10_000);
  const [keys, cuts] = fc.sample(
    fc.array(fc.nat({ max: 1_000_000 }), { minLength: 10_000, maxLength: 10_000, size: 'max' }),
    { numRuns: 2, seed },
  ) as [number[], number[]];
  const delivery = deliveryOf(touchpoints, {
    keys,
    again: [true, false, false, false, false, false, false],
    cuts: cuts.slice(0, 8).map((size) => 2_000 + (size % 3_000)),
  });
  const asOf = new Date(Math.max(...delivery.instants));

  const scattered = await makeSite(pool);
  for (const part of delivery.parts) {
    await storeGiven(pool, scattered, part);
    await deriveUntilIdle(pool, { asOf });
  }
  const scatteredViews = await textOfViews(pool, scattered);
  await expectVerified(pool);
  await removeSite(pool, scattered);

  const atOnce = await makeSite(pool);
  await storeGiven(pool, atOnce, touchpoints);
  await deriveUntilIdle(pool, { asOf });
  const views = await textOfViews(pool, atOnce);
  for (const [name, rows] of Object.entries(views)) expect(scatteredViews[name], name).toEqual(rows);
  expect(Object.keys(scatteredViews)).toEqual(Object.keys(views));
  expect(views['touchpoints']).toHaveLength(10_000);
}, 240_000);
