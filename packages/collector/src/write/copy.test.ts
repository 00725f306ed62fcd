import fc from 'fast-check';
import { expect, test } from 'vitest';
import { field, instant } from './copy.ts';

test('an instant is printed as Date does', () => {
  const years = {
    min: new Date('0001-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59.999Z'),
    noInvalidDate: true,
  };
  fc.assert(fc.property(fc.date(years), (date) => instant(date.getTime()) === date.toISOString()));
  expect(instant(null)).toBe('\\N');
});

test.each([
  [null, '\\N'],
  ['\\N', '\\\\N'],
  ['a\tb\nc\rd', 'a\\tb\\nc\\rd'],
  ['ü "quoted"', 'ü "quoted"'],
])('%j is the field %j', (text, expected) => expect(field(text)).toBe(expected));
