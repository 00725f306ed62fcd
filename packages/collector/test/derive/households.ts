/** Many touchpoints: households of random history, each with its own browsers, users, carts and orders. */
import fc from 'fast-check';
import type { Given } from './given.ts';
import { seed } from '../support/properties.ts';
import { step, touchpointsOf } from './histories.ts';

const stepsEach = 40;

/** Forty touchpoints of each household. */
export function touchpointsOfHouseholds(households: number): Given[] {
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
