import { expect, test } from 'vitest';
import { readLosses } from './answer.ts';

test.each([
  { lost: { expired: 2, queue_full: 1 }, losses: { expired: 2, queue_full: 1 } },
  { lost: { mine: 1, yours: 2 }, losses: { other: 3 } },
  { lost: { expired: -1, rejected: 0.5, too_large: '3', queue_full: 1e9 }, losses: {} },
  { lost: 'all', losses: {} },
  { lost: null, losses: {} },
])('$lost says $losses were lost', ({ lost, losses }) => {
  expect(Object.fromEntries(readLosses(lost))).toEqual(losses);
});
