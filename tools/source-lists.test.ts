import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { entries, sqlOf, target } from './source-lists/write.ts';

test('the migration step loads what the lists say', () => {
  expect(readFileSync(target, 'utf8').replaceAll('\r\n', '\n')).toBe(sqlOf(entries()));
});

test('a source has one kind, and is written as it is looked up', () => {
  const all = entries();
  expect(new Set(all.map(({ source }) => source)).size).toBe(all.length);
  expect(all.filter(({ source }) => !/^(?:\{\}\.)?[a-z0-9. _+-]+(?:\.\{\})?$/.test(source))).toEqual([]);
  expect([...new Set(all.map(({ category }) => category))].sort()).toEqual([
    'assistant',
    'mail',
    'payment',
    'search',
    'shopping',
    'social',
    'video',
  ]);
});
