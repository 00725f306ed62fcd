import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { problemList } from '../problems.ts';

const text = readFileSync(new URL('../../../../docs/problems.md', import.meta.url), 'utf8');
const documented = [...text.matchAll(/^### (\S+)\n\n(\d{3})\./gm)].map(([, type, status]) => ({
  type,
  status: Number(status),
}));

test('docs/problems.md has one heading for each problem, with its status', () => {
  const listed = Object.entries(problemList).map(([type, { status }]) => ({ type, status }));
  const byType = (left: { type?: string | undefined }, right: { type?: string | undefined }) =>
    (left.type ?? '').localeCompare(right.type ?? '');
  expect(documented.sort(byType)).toEqual(listed.sort(byType));
});
