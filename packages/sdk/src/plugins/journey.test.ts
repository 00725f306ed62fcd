import { expect, test } from 'vitest';
import { isFresh, journey } from './journey.ts';

const freshMs = 30_000;
const changedAt = 1_000_000;

test.each([
  {
    what: 'an answer to a question asked long after the last touchpoint is good for its time',
    at: 6_000,
    now: 35_999,
    good: true,
  },
  { what: 'and no longer', at: 6_000, now: 36_000, good: false },
  {
    what: 'what was asked just after a touchpoint may not know of it: two seconds',
    at: 5_000,
    now: 6_999,
    good: true,
  },
  { what: 'then it is asked again', at: 5_000, now: 7_000, good: false },
  { what: 'a touchpoint makes an answer old', at: -60_000, now: 0, good: false },
  { what: 'but nobody is asked twice within two seconds', at: -1_000, now: 500, good: true },
  { what: 'a clock put back an hour makes nothing good for an hour', at: 3_600_000, now: 6_000, good: false },
])('$what', ({ at, now, good }) => {
  expect(isFresh(changedAt + at, changedAt, changedAt + now, freshMs)).toBe(good);
});

test('under a server it is known, and is what is rendered', async () => {
  const initial = {
    stage: 'decision',
    furthest_stage: 'decision',
    since: null,
    is_customer: false,
    segments: [],
    variants: {},
  };
  expect(await journey({ initial }).server.journey()).toEqual(initial);
  expect(await journey().server.journey()).toBeUndefined();
});
