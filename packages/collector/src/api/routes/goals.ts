import { z } from 'zod';
import { changeGoals, goalsOf } from '../../goals/change.ts';
import { goalSchema, goalsSchema } from '../../goals/document.ts';
import { Problem } from '../../problems.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';
import { described, jsonAnswer, queryOf } from '../route.ts';

const siteGoals = z.object({
  goals: z.array(goalSchema).describe('What counts as a conversion now.'),
  next: z
    .array(goalSchema)
    .nullable()
    .describe('What will, once derivation has found what reaches it; null while nothing is being changed.'),
});

/** What counts as a conversion: `/v1/goals`. */
export async function goalRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  app.route({
    method: 'GET',
    url: '/v1/goals',
    config: { scope: 'read:settings' },
    schema: {
      ...described({
        operationId: 'getGoals',
        tag: 'Settings',
        summary: 'Goals',
        description:
          'What counts as a conversion. The goal `purchase` is every order; others name a touchpoint. Primary goals make the rates.',
        scope: 'read:settings',
      }),
      querystring: queryOf({}),
      response: { 200: jsonAnswer(siteGoals, 'The goals of the site.') },
    },
    handler: (request) => goalsOf(pool, request.access.siteId),
  });

  app.route({
    method: 'PUT',
    url: '/v1/goals',
    config: { scope: 'write:settings' },
    attachValidation: true,
    schema: {
      ...described({
        operationId: 'putGoals',
        tag: 'Settings',
        summary: 'Change the goals',
        description:
          'The whole list, in place of the one the site has. It applies to the whole history: conversions and rates stay as they are, and the new goals stand in `next`, until derivation has found what reaches them; then all change at once.',
        scope: 'write:settings',
        problems: ['invalid-goals', 'malformed-json', 'body-too-large'],
      }),
      querystring: queryOf({}),
      body: z.object({ goals: goalsSchema }),
      response: { 200: jsonAnswer(siteGoals, 'The goals of the site, and those it is changing to.') },
    },
    handler: async (request) => {
      if (request.validationError) throw refusalOf(request.body);
      return changeGoals(pool, request.access.siteId, request.body.goals);
    },
  });
}

/** Says where a body is wrong, without the words it has there. */
function refusalOf(body: unknown): Problem {
  const parsed = z.object({ goals: goalsSchema }).safeParse(body);
  const places = (parsed.error?.issues ?? []).map(({ path: [, index, ...rest], message }) =>
    typeof index === 'number'
      ? `goal number ${index + 1}${rest.map((part) => `, ${String(part)}`).join('')}: ${message}`
      : `goals: ${message}`,
  );
  return new Problem('invalid-goals', `Nothing was changed. ${places.slice(0, 10).join('; ')}.`);
}
