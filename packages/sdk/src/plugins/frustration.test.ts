import { expect, test } from 'vitest';
import { isNear } from './frustration.ts';

const first = { clientX: 100, clientY: 100, timeStamp: 5_000 };

test.each([
  { clientX: 100, clientY: 100, timeStamp: 5_999, near: true },
  { clientX: 118, clientY: 124, timeStamp: 5_100, near: true },
  { clientX: 100, clientY: 100, timeStamp: 6_000, near: false },
  { clientX: 119, clientY: 124, timeStamp: 5_100, near: false },
])('a click at $clientX, $clientY after $timeStamp ms: the same burst is $near', ({ near, ...later }) => {
  expect(isNear(first, later)).toBe(near);
});
