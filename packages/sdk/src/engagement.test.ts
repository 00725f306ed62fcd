import { expect, test } from 'vitest';
import { createEngagement } from './engagement.ts';

test('only time in the foreground counts, and less than a second stays for later', () => {
  let time = 0;
  let isForeground = true;
  const engagement = createEngagement(
    () => time,
    () => isForeground,
  );
  engagement.update();
  time = 900;
  expect(engagement.take()).toBe(0);
  time = 1_500;
  isForeground = false;
  engagement.update();
  time = 60_000;
  expect(engagement.take()).toBe(1_500);
  isForeground = true;
  engagement.update();
  time = 63_000.4;
  expect(engagement.take()).toBe(3_000);
  expect(engagement.take()).toBe(0);
});
