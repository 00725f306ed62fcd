import { expect, test } from 'vitest';
import { slopeOf } from './slope.ts';

test('a slope is that of the line closest to the points, whatever lies on either side of it', () => {
  const line = [0, 1, 2, 3].map((at) => ({ at, value: 5 + 2 * at }));
  expect(slopeOf(line)).toBeCloseTo(2);
  expect(
    slopeOf(line.map(({ at, value }, index) => ({ at, value: value + [1, -1, -1, 1][index]! }))),
  ).toBeCloseTo(2);
  expect(slopeOf([{ at: 1, value: 7 }])).toBe(0);
});
