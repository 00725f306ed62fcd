import { expect, test } from 'vitest';
import { addressOf } from './page.ts';

test.each([
  ['https://me:secret@shop.example:8443/a?b=c#d', 'https://shop.example:8443/a?b=c'],
  ['mailto:ada@shop.example', 'mailto:'],
  ['tel:+4930123456', 'tel:'],
])('%s is told as %s', (address, told) => {
  expect(addressOf(new URL(address))).toBe(told);
});
