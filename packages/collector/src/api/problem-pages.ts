import { readFile } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import { Problem, problemList } from '../problems.ts';

const file = new URL('../../../../docs/problems.md', import.meta.url);

/** Lets the `type` of a problem be opened: `/problems/unknown-key` answers its part of `docs/problems.md`. */
export async function registerProblemPages(app: FastifyInstance): Promise<void> {
  const text = await readFile(file, 'utf8');
  const parts = new Map(
    text
      .split(/^(?=##)/m)
      .map((part) => [/^### (\S+)$/m.exec(part)?.[1], part.replace(/^###/, '#').trimEnd()] as const),
  );
  app.get<{ Params: { type: string } }>(
    '/problems/:type',
    { schema: { hide: true } },
    async (request, reply) => {
      const { type } = request.params;
      const part = Object.hasOwn(problemList, type) ? parts.get(type) : undefined;
      if (part === undefined)
        throw new Problem('not-found', 'No problem has this name; docs/problems.md lists them.');
      return reply
        .type('text/markdown; charset=utf-8')
        .header('cache-control', 'public, max-age=3600')
        .send(`${part}\n`);
    },
  );
}
