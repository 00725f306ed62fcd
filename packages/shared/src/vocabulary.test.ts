import { expect, test } from 'vitest';
import { canonicalName, eventAliases, eventNames, typeOf } from './vocabulary.ts';

test.each([
  ['Order Completed', 'purchase'],
  ['order completed', 'purchase'],
  ['order_completed', 'purchase'],
  ['Product Added', 'add_to_cart'],
  ['Order Cancelled', 'order_cancelled'],
  ['purchase', 'purchase'],
  ['My Own Event', 'My Own Event'],
  [' my event ', 'my event'],
  ['constructor', 'constructor'],
  ['__proto__', '__proto__'],
])('%j is called %j', (name, canonical) => expect(canonicalName(name)).toBe(canonical));

test('types other than track have their own names', () => {
  expect(canonicalName('Home', 'page')).toBe('page_view');
  expect(canonicalName('', 'identify')).toBe('identify');
});

test('a page view is a page and an identify an identify, also when it says no type', () => {
  expect(typeOf('identify', null)).toBe('identify');
  expect(typeOf('page_view', null)).toBe('page');
  expect(typeOf('purchase', undefined)).toBe('track');
  expect(typeOf('page_view', 'track')).toBe('track');
});

test('every alias means a name of the vocabulary', () => {
  expect(Object.values(eventAliases).filter((name) => !eventNames.includes(name))).toEqual([]);
});
