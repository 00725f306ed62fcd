import { describe, expect, test } from 'vitest';

import { LineIds } from './line-ids.ts';

function idsOf(lines: string[], expected = lines.length): string[] {
  const ids = new LineIds(expected);
  for (const line of lines) ids.note(line);
  return lines.map((line) => ids.idOf(line, 'purchase'));
}

describe('the id of a line', () => {
  test('is the same in a longer file', () => {
    expect(idsOf(['a', 'b', 'c', 'd']).slice(0, 2)).toEqual(idsOf(['a', 'b']));
  });

  test('differs for identical lines of one file', () => {
    expect(new Set(idsOf(['a', 'b', 'a', 'a'])).size).toBe(4);
  });

  test('of the n-th identical line is the same whatever stands between', () => {
    const [first, , second] = idsOf(['a', 'x', 'a']);
    expect(idsOf(['y', 'a', 'a', 'z']).slice(1, 3)).toEqual([first, second]);
  });

  test('stays exact where the filter is far too small', () => {
    const lines = Array.from({ length: 200_000 }, (_, index) => `line ${index}`);
    const ids = idsOf(lines, 1);
    expect(new Set(ids).size).toBe(lines.length);
    expect(ids.every((id) => id.endsWith('-0'))).toBe(true);
  });

  test('holds no thirteen digits that a time could be read from', () => {
    const lines = Array.from({ length: 5_000 }, (_, index) => String(index));
    expect(idsOf(lines).filter((id) => /\d{13}/.test(id))).toEqual([]);
  });
});
