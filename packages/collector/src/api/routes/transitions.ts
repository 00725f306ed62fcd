import { filtersOf, pageOf } from '../page.ts';
import {
  directionOf,
  nameParameter,
  orderParameter,
  pageParameters,
  pageSchema,
  sendPage,
  timeParameters,
} from '../page-answer.ts';
import { described, queryOf } from '../route.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';
import { transitionSchema } from '../schemas.ts';
import { transitionList } from '../transitions.ts';

/** Every change of stage of a site: `/v1/transitions`. */
export async function transitionRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  const about = described({
    operationId: 'listTransitions',
    tag: 'Transitions',
    summary: 'Transitions of all persons',
    description:
      'Every change of stage on the site. To follow what is new, ask with `order=oldest` and keep the last cursor.',
    scope: 'read:persons',
    problems: ['invalid-cursor'],
  });
  app.route({
    method: 'GET',
    url: '/v1/transitions',
    config: { scope: 'read:persons' },
    schema: {
      ...about,
      querystring: queryOf({
        from_stage: nameParameter('Only transitions that leave this stage.', 'consideration'),
        to_stage: nameParameter('Only transitions that enter this stage.', 'decision'),
        ...timeParameters('`occurred_at`'),
        order: orderParameter('`occurred_at`', 'newest'),
        ...pageParameters,
      }),
      response: { 200: pageSchema('transitions', transitionSchema, 'One page of transitions.') },
    },
    handler: async (request, reply) => {
      const { from_stage, to_stage, since, until, order, limit, cursor } = request.query;
      const page = await pageOf({ pool, access: request.access }, transitionList, {
        filters: filtersOf({
          'stage_transitions.from_stage = ?': from_stage,
          'stage_transitions.to_stage = ?': to_stage,
          'stage_transitions.occurred_at >= ?': since,
          'stage_transitions.occurred_at < ?': until,
        }),
        direction: directionOf(order),
        limit,
        cursor,
      });
      return sendPage(request, reply, { name: 'transitions', row: transitionSchema, page });
    },
  });
}
