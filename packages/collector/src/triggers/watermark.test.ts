import { expect, test } from 'vitest';
import { ackedUntil, collectorIdOf } from './watermark.ts';

const bufferOf = (oldestReceivedAt: number | null) => ({
  depth: () => ({ entries: oldestReceivedAt === null ? 0 : 1, bytes: 0, oldestReceivedAt }),
});

test('with an empty buffer everything acked until now is stored', () => {
  expect(ackedUntil(bufferOf(null), () => 5_000)).toBe(5_000);
});

test('with entries in it, what was acked before the oldest of them came', () => {
  expect(ackedUntil(bufferOf(3_000), () => 5_000)).toBe(3_000);
});

test('an entry that came while the buffer was looked at holds back nothing before the look', () => {
  expect(ackedUntil(bufferOf(5_001), () => 5_000)).toBe(5_000);
});

test('a collector is known by its folder, however that is written', () => {
  expect(collectorIdOf('lmdb:/var/lib/buffer')).toBe(collectorIdOf('lmdb:/var/lib/./buffer/'));
  expect(collectorIdOf('lmdb:/var/lib/buffer')).not.toBe(collectorIdOf('lmdb:/var/lib/other'));
});
