import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deriveUntilIdle } from '../../src/derive/index.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type Given, makeSite, removeSite, storeGiven } from './given.ts';
import { deliveryOf, step, touchpointsOf } from './histories.ts';
import { expectVerified, textOfViews } from './views.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const seed = Number(process.env['MILEPOST_TEST_SEED'] ?? 1997);
const households = 250;
const stepsEach = 40;

/** Ten thousand touchpoints of 250 households, each with its own browsers, users, carts and orders. */
function events(): Given[] {
  const steps = fc.sample(step, { numRuns: households * stepsEach, seed });
  return Array.from({ length: households }, (_, household) =>
    touchpointsOf(steps.slice(household * stepsEach, (household + 1) * stepsEach), [0, 1, 2, 3]).map(
      (touchpoint, index) => ofHousehold(touchpoint, household, household * stepsEach + index),
    ),
  ).flat();
}

function ofHousehold(touchpoint: Given, household: number, number: number): Given {
  const own = (id: unknown): string => `${String(id)} of ${household}`;
  const properties = { ...touchpoint.properties };
  for (const key of ['transaction_id', 'order_id', 'cart_id']) {
    if (properties[key] !== undefined) properties[key] = own(properties[key]);
  }
  return {
    ...touchpoint,
    id: touchpoint.id!.slice(0, -8) + number.toString(16).padStart(8, '0'),
    properties,
    ...(touchpoint.anonymous_id === undefined ? {} : { anonymous_id: own(touchpoint.anonymous_id) }),
    ...(touchpoint.user_id === undefined ? {} : { user_id: own(touchpoint.user_id) }),
  };
}

test('the same 10,000 events shuffled, duplicated, split and late give byte-equal views', async () => {
  const { pool } = database;
  const touchpoints = events();
  expect(new Set(touchpoints.map(({ id }) => id)).size).toBe(10_000);
  const [keys, cuts] = fc.sample(
    fc.array(fc.nat({ max: 1_000_000 }), { minLength: 10_000, maxLength: 10_000, size: 'max' }),
    { numRuns: 2, seed },
  ) as [number[], number[]];
  const delivery = deliveryOf(touchpoints, {
    keys,
    again: [true, false, false, false, false, false, false],
    cuts: cuts.slice(0, 8).map((size) => 1_000 + (size % 3_000)),
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
