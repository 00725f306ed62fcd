import { z } from 'zod';
import { filtersOf, pageOf } from '../page.ts';
import { pageParameters, pageSchema, sendPage, timeParameters } from '../page-answer.ts';
import { described, jsonAnswer, queryOf } from '../route.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';
import { stagePersonSchema, stagesSchema } from '../schemas.ts';
import { requireStage, stagePersonList, stagesReader } from '../stages.ts';

/** Who stands where: `/v1/stages` and the persons of one. */
export async function stageRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  const stages = described({
    operationId: 'listStages',
    tag: 'Stages',
    summary: 'All stages',
    description:
      'Every stage of the site’s journey model in order: how many persons stand in it now, how many ever came that far, the rates between neighbours, and the median time of a stay.',
    scope: 'read:stages',
  });
  const stagesOf = stagesReader(pool);
  app.route({
    method: 'GET',
    url: '/v1/stages',
    config: { scope: 'read:stages' },
    schema: {
      ...stages,
      querystring: queryOf({}),
      response: { 200: jsonAnswer(stagesSchema, 'All stages in order.') },
    },
    handler: (request) => stagesOf(request.access.siteId),
  });

  const persons = described({
    operationId: 'listPersonsOfStage',
    tag: 'Stages',
    summary: 'Who is in a stage',
    description:
      'The persons who stand in a stage now, sorted by `person_id`: whoever stays in the stage is met exactly once by a reader who pages through, however many others come and go meanwhile.',
    scope: 'read:persons',
    problems: ['unknown-stage', 'invalid-cursor'],
  });
  app.route({
    method: 'GET',
    url: '/v1/stages/:stage/persons',
    config: { scope: 'read:persons' },
    schema: {
      ...persons,
      params: z.object({
        stage: z
          .string()
          .meta({ description: 'A stage of the site’s journey model.', examples: ['decision'] }),
      }),
      querystring: queryOf({ ...timeParameters('`since`'), ...pageParameters }),
      response: { 200: pageSchema('persons', stagePersonSchema, 'One page of persons.') },
    },
    handler: async (request, reply) => {
      const { stage } = request.params;
      const { since, until, limit, cursor } = request.query;
      await requireStage(pool, request.access, stage);
      const page = await pageOf({ pool, access: request.access }, stagePersonList, {
        filters: filtersOf({
          'current_stages.stage = ?': stage,
          'current_stages.since >= ?': since,
          'current_stages.since < ?': until,
        }),
        direction: 'asc',
        limit,
        cursor,
      });
      return sendPage(request, reply, { name: 'persons', row: stagePersonSchema, page });
    },
  });
}
