import { expect, test } from 'vitest';
import { prefersCsv } from './page-answer.ts';

test.each([
  { accept: undefined, isCsv: false },
  { accept: '*/*', isCsv: false },
  { accept: 'application/json', isCsv: false },
  { accept: 'text/csv', isCsv: true },
  { accept: 'Text/CSV; charset=utf-8', isCsv: true },
  { accept: 'text/csv, */*;q=0.1', isCsv: true },
  { accept: 'application/json, text/csv;q=0.5', isCsv: false },
  { accept: 'application/json;q=0.5,text/csv;q=0.9', isCsv: true },
  { accept: 'text/csv;q=0', isCsv: false },
])('Accept: $accept asks for CSV: $isCsv', ({ accept, isCsv }) => {
  expect(prefersCsv(accept)).toBe(isCsv);
});
