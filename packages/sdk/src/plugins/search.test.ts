import { expect, test } from 'vitest';
import { termOf } from './search.ts';

test.each([
  ['?q=shoes', 'shoes'],
  ['?s=a+b', 'a b'],
  ['?page=2&query=%C3%BC', 'ü'],
  ['?q=&keyword=hat', 'hat'],
  ['?q=%20', undefined],
  ['', undefined],
])('%s is a search for %s', (query, term) => {
  expect(termOf(`https://shop.example/${query}`)).toBe(term);
});
