import { expect, test } from 'vitest';
import { timeOfUuid, uuid } from './ids.ts';

test('an id is a UUID v7 that begins with the time of the call', () => {
  const time = Date.parse('2026-11-22T10:00:00.123Z');
  expect(uuid(time)).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  expect(timeOfUuid(uuid(time))).toBe(time);
});

test('ids of one millisecond sort in the order of the calls, and none comes twice', () => {
  const ids = Array.from({ length: 2_000 }, (_, n) => uuid(1_700_000_000_000 + Math.floor(n / 1_000)));
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});

test('a text that is no id has no time', () => {
  expect(timeOfUuid('zzzzzzzz-')).toBeNaN();
});
