import { z } from 'zod';
import { problemList } from '../problems.ts';
import type { ProblemType } from '../problems.ts';

/** An RFC 9457 problem, as every error answers. */
export const problemSchema = z
  .object({
    type: z.string().meta({
      description: 'Which problem: a path that `docs/problems.md` explains.',
      examples: ['/problems/unknown-key'],
    }),
    title: z.string().meta({ description: 'The same every time.' }),
    status: z.number().int(),
    detail: z.string().meta({ description: 'What to do about it.' }),
  })
  .meta({ id: 'Problem', description: 'What went wrong, in the form of RFC 9457.' });

/** The error answers of a route, by status. */
export function problemResponses(types: ProblemType[]) {
  const byStatus = new Map<number, string[]>();
  for (const type of types) {
    const { status, title } = problemList[type];
    byStatus.set(status, [...(byStatus.get(status) ?? []), `\`${type}\`: ${title}.`]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, lines]) => [
      status,
      { description: lines.join(' '), content: { 'application/problem+json': { schema: problemSchema } } },
    ]),
  );
}
