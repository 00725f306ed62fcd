import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Problem } from '../../problems.ts';
import { filtersOf, pageOf } from '../page.ts';
import { directionOf, orderParameter, pageParameters, pageSchema, sendPage } from '../page-answer.ts';
import { personById, personByIdentity, personExists, survivorOf } from '../persons.ts';
import { described, jsonAnswer, queryOf } from '../route.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';
import { personSchema, transitionSchema } from '../schemas.ts';
import { personTransitionList } from '../transitions.ts';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const identityText = z.string().min(1).max(300);

const personParameter = z.object({
  id: z.string().meta({
    format: 'uuid',
    description: 'A person, also by a former id.',
    examples: ['9f772e09-7677-8c8f-aee9-87fc2f68338d'],
  }),
});

const lookupQuery = queryOf({
  user_id: identityText
    .optional()
    .meta({ description: 'The shop’s own id of the person.', examples: ['ada'] }),
  anonymous_id: identityText.optional().meta({ description: 'The id of a browser or device.' }),
  identity: z
    .string()
    .max(351)
    .regex(/^[a-z][a-z0-9_]{0,49}:[^]+$/, 'is not type:value, like loyalty_card:1234')
    .refine((text) => !/^(email|phone):/.test(text), {
      error:
        'cannot be a plain address or number: send email_sha256:… or phone_sha256:…, the hex SHA-256 of the normalised value',
    })
    .optional()
    .meta({ description: 'Any other identity, as `type:value`.' }),
}).refine((query) => Object.values(query).filter((value) => value !== undefined).length === 1, {
  error: 'needs exactly one of user_id, anonymous_id and identity',
});

const noSuchPerson = () =>
  new Problem('unknown-person', 'Nothing was seen of such a person on this site, or not yet.');

/** One person: by identity, by id, and the way through the stages. */
export async function personRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  const lookup = described({
    operationId: 'findPerson',
    tag: 'Persons',
    summary: 'Look a person up',
    description:
      'The person whom an identity speaks for now, with the current stage. Send exactly one of the parameters. An anonymous id shared by several users answers the last one seen with it.',
    scope: 'read:persons',
    problems: ['unknown-person'],
  });
  app.route({
    method: 'GET',
    url: '/v1/persons',
    config: { scope: 'read:persons' },
    schema: {
      ...lookup,
      querystring: lookupQuery,
      response: { 200: jsonAnswer(personSchema, 'The person.') },
    },
    handler: async (request, reply) => {
      const person = await personByIdentity(pool, request.access, identityOf(request.query));
      if (person === undefined) throw noSuchPerson();
      void reply.header('content-location', `/v1/persons/${person.person_id}`);
      return person;
    },
  });

  const profile = described({
    operationId: 'readPerson',
    tag: 'Persons',
    summary: 'One person',
    description:
      'The profile of a person: current and furthest stage, traits, orders and identities. An id the person had before a join answers 308 with the way to the survivor.',
    scope: 'read:persons',
    problems: ['unknown-person'],
  });
  app.route({
    method: 'GET',
    url: '/v1/persons/:id',
    config: { scope: 'read:persons' },
    schema: {
      ...profile,
      params: personParameter,
      querystring: queryOf({}),
      response: { 200: jsonAnswer(personSchema, 'The person.'), 308: survivorSchema },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      if (!uuid.test(id)) throw noSuchPerson();
      return (await personById(pool, request.access, id)) ?? redirectToSurvivor(request, reply, id);
    },
  });

  const history = described({
    operationId: 'listTransitionsOfPerson',
    tag: 'Persons',
    summary: 'The transitions of a person',
    description: 'Every change of stage of one person, with its cause.',
    scope: 'read:persons',
    problems: ['unknown-person', 'invalid-cursor'],
  });
  app.route({
    method: 'GET',
    url: '/v1/persons/:id/transitions',
    config: { scope: 'read:persons' },
    schema: {
      ...history,
      params: personParameter,
      querystring: queryOf({ order: orderParameter('`occurred_at`', 'oldest'), ...pageParameters }),
      response: {
        200: pageSchema('transitions', transitionSchema, 'One page of transitions.'),
        308: survivorSchema,
      },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      const { order, limit, cursor } = request.query;
      if (!uuid.test(id)) throw noSuchPerson();
      const page = await pageOf({ pool, access: request.access }, personTransitionList, {
        filters: filtersOf({ 'stage_transitions.person_id = ?': id.toLowerCase() }),
        direction: directionOf(order),
        limit,
        cursor,
      });
      if (page.rows.length === 0 && !(await personExists(pool, request.access, id))) {
        return redirectToSurvivor(request, reply, id);
      }
      return sendPage(request, reply, { name: 'transitions', row: transitionSchema, page });
    },
  });

  /** 308 to the same resource of the person that `id` was joined into; a problem if there is none. */
  async function redirectToSurvivor(
    request: FastifyRequest,
    reply: FastifyReply,
    id: string,
  ): Promise<FastifyReply> {
    const survivor = await survivorOf(pool, request.access, id);
    if (survivor === undefined) throw noSuchPerson();
    return reply
      .code(308)
      .header('location', request.url.replace(id, survivor))
      .send({ person_id: survivor });
  }
}

const survivorSchema = jsonAnswer(
  z.object({
    person_id: z.string().meta({ format: 'uuid', description: 'The person it was joined into.' }),
  }),
  'The id is a former one; `Location` names the survivor.',
);

function identityOf(query: z.infer<typeof lookupQuery>): { type: string; value: string } {
  if (query.user_id !== undefined) return { type: 'user_id', value: query.user_id };
  if (query.anonymous_id !== undefined) return { type: 'anonymous_id', value: query.anonymous_id };
  const text = query.identity ?? '';
  const colon = text.indexOf(':');
  return { type: text.slice(0, colon), value: text.slice(colon + 1) };
}
