import { expect, test } from 'vitest';
import { nextOf } from './debug-words.ts';

test.each([
  { status: 0, count: 2, says: 'no answer: the 2 touchpoints kept, tried again soon' },
  { status: 400, count: 1, says: '400: the touchpoint dropped, counted as rejected' },
  { status: 413, count: 2, says: '413: the 2 touchpoints sent in halves' },
  { status: 413, count: 1, says: '413: dropped, counted as too_large' },
  { status: 429, retryAfter: '7', count: 1, says: 'not before Retry-After (7)' },
  { status: 503, count: 1, says: '503: the touchpoint kept, tried again soon' },
  { status: 401, count: 1, says: 'check writeKey, host' },
])('after $status developers read: $says', ({ status, retryAfter = null, count, says }) => {
  expect(nextOf({ status, retryAfter }, count)).toContain(says);
});
