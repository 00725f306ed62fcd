import { expect, test } from 'vitest';
import { valueOf } from './attributes.ts';

test.each([
  ['12.50', 12.5],
  ['-3', -3],
  ['true', true],
  ['', ''],
  ['007', '007'],
  ['null', 'null'],
  ['9007199254740993', '9007199254740993'],
  ['a "b"', 'a "b"'],
  ['[{"item_id":"SKU1"}]', [{ item_id: 'SKU1' }]],
])('the attribute %s is %j', (text, value) => {
  expect(valueOf(text)).toEqual(value);
});
