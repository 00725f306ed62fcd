import type { OpenAPIV3, OpenAPIV3_1 } from 'openapi-types';
import { Problem, problemList } from '../problems.ts';
import type { ProblemType } from '../problems.ts';

/** An RFC 9457 problem, as every error answers, for OpenAPI. */
export const problemSchema: OpenAPIV3.SchemaObject = {
  type: 'object',
  description: 'What went wrong, in the form of RFC 9457.',
  properties: {
    type: { type: 'string', description: 'Which problem: a path that `docs/problems.md` explains.' },
    title: { type: 'string', description: 'The same every time.' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What to do about it.' },
  },
  required: ['type', 'title', 'status', 'detail'],
};

/** The error answers of a route for OpenAPI, by status, with one example a problem. */
export function problemResponses(types: ProblemType[]): Record<string, OpenAPIV3_1.ResponseObject> {
  const byStatus = Map.groupBy(types, (type) => problemList[type].status);
  return Object.fromEntries(
    [...byStatus].map(([status, sharing]) => [
      String(status),
      {
        description: sharing.map((type) => `\`${type}\`: ${problemList[type].title}.`).join(' '),
        content: {
          'application/problem+json': {
            schema: { $ref: '#/components/schemas/Problem' },
            examples: Object.fromEntries(
              sharing.map((type) => [type, { value: new Problem(type, 'What to do about it.').toJSON() }]),
            ),
          },
        },
      },
    ]),
  );
}
