import { describe, expect, test } from 'vitest';
import { inpOf, ratedOf, withShift, type Shifts } from './vitals.ts';

const cls = (...shifts: [startTime: number, value: number][]) =>
  shifts.reduce<Shifts>(
    (so, [startTime, value]) => withShift(so, { startTime, value }),
    [0, 0, 0, -1_000],
  )[0];

describe('CLS', () => {
  test('shifts less than a second apart are one window', () => {
    expect(cls([100, 0.1], [1_099, 0.1], [2_000, 0.1])).toBeCloseTo(0.3);
  });
  test('a second without a shift ends the window, and the largest window counts', () => {
    expect(cls([100, 0.1], [1_100, 0.25], [2_100, 0.1])).toBe(0.25);
  });
  test('a window lasts five seconds at most', () => {
    const everyHalfSecond = Array.from({ length: 20 }, (_, n): [number, number] => [800 + n * 500, 0.01]);
    expect(cls(...everyHalfSecond)).toBeCloseTo(0.1);
  });
  test('a page without shifts has none', () => {
    expect(cls()).toBe(0);
  });
});

describe('INP', () => {
  test.each([
    { what: 'no interaction has none', durations: [], count: 0, expected: undefined },
    { what: 'quick interactions only are 8 ms', durations: [], count: 3, expected: 8 },
    { what: 'the longest counts', durations: [80, 400, 120], count: 49, expected: 400 },
    { what: 'one is left out for each fifty', durations: [80, 400, 120], count: 50, expected: 120 },
    { what: 'two for a hundred', durations: [80, 400, 120], count: 149, expected: 80 },
    { what: 'of those known the shortest at last', durations: [80, 400, 120], count: 900, expected: 80 },
  ])('$what', ({ durations, count, expected }) => {
    expect(inpOf(durations, count)).toBe(expected);
  });
});

test('values are rated as web.dev rates them, up to and including each limit', () => {
  expect(ratedOf({ lcp: 2_500, inp: 500.5, cls: 0.100_01, ttfb: 0, fcp: undefined })).toEqual({
    lcp: 2_500,
    rating_lcp: 'good',
    inp: 500.5,
    rating_inp: 'poor',
    cls: 0.1,
    rating_cls: 'needs-improvement',
    ttfb: 0,
    rating_ttfb: 'good',
  });
});
