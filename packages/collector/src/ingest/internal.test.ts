import { expect, test } from 'vitest';
import { internalNetworks, networkOf } from './internal.ts';

test.each([
  ['203.0.113.7', true],
  [' 203.0.113.0/24 ', true],
  ['2001:db8::/32', true],
  ['203.0.113.0/33', false],
  ['203.0.113.0/', false],
  ['203.0.113', false],
  ['10.0.0.0/8/8', false],
  ['office', false],
])('%j is a network: %s', (text, isOne) => {
  expect(networkOf(text) !== null).toBe(isOne);
});

test.each([
  ['203.0.113.7', true],
  ['203.0.114.7', false],
  ['::ffff:203.0.113.7', true],
  ['::FFFF:198.51.100.1', false],
  ['2001:db8:1::5', true],
  ['2001:db9::1', false],
  ['192.0.2.4', true],
  ['192.0.2.5', false],
  ['fe80::1%eth0', false],
  ['', false],
])('%s is internal: %s', (address, isInternal) => {
  expect(internalNetworks(['203.0.113.0/24', '192.0.2.4', '2001:db8::/32', 'typo'])?.(address)).toBe(
    isInternal,
  );
});

test('without networks there is nothing to ask', () => {
  expect(internalNetworks([])).toBe(null);
  expect(internalNetworks(['typo'])).toBe(null);
});
