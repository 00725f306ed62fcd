import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { CorrectionRefused } from '../../persons/corrections.ts';
import { mergePersons } from '../../persons/merge.ts';
import { unmergePerson } from '../../persons/unmerge.ts';
import { Problem, problemForNow } from '../../problems.ts';
import { personExists, survivorOf } from '../persons.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';
import { described, jsonAnswer, queryOf } from '../route.ts';

const personId = z.uuid();
const identity = z.strictObject({ type: z.string().min(1).max(50), value: z.string().min(1).max(300) });
const saying = {
  author: z.string().min(1).max(200).default('api').meta({ description: 'Who says so. Default: `api`.' }),
  note: z.string().min(1).max(1_000).optional().meta({ description: 'Why.' }),
};

const mergeBody = z.strictObject({
  into: personId.meta({
    description:
      'The other person. It survives where both have a user id; else the one with a user id does, or of two without the one seen first.',
  }),
  ...saying,
});

const unmergeBody = z
  .strictObject({
    former_person_id: personId
      .optional()
      .meta({ description: 'The id to give back, as `identities` of the person lists it.' }),
    identity: identity.optional().meta({ description: 'Or the identity that is to be by itself again.' }),
    apart_from: identity
      .optional()
      .meta({ description: 'With `identity`: sever the link between these two, and no other.' }),
    ...saying,
  })
  .refine((body) => body.former_person_id === undefined || body.identity === undefined, {
    error: 'send former_person_id or identity, not both',
  })
  .refine((body) => body.apart_from === undefined || body.identity !== undefined, {
    error: 'apart_from needs identity',
  });

const links = z
  .array(z.object({ kind: z.enum(['join', 'share', 'alias']), identity, other: identity }))
  .meta({ description: 'The pairs of identities that were merged or severed.' });
const receipt = {
  links,
  author: z.string().meta({ description: 'Who said so.' }),
  note: z.string().nullable().meta({ description: 'Why.' }),
  corrected_at: z.iso.datetime().meta({ description: 'When it was said.' }),
};

const mergeReceipt = z
  .object({
    action: z.literal('merge'),
    from: personId.meta({ description: 'The id given up: it answers 308 now.' }),
    into: personId.meta({ description: 'The survivor.' }),
    ...receipt,
  })
  .meta({ id: 'MergeReceipt' });

const unmergeReceipt = z
  .object({
    action: z.literal('unmerge'),
    person_id: personId.meta({ description: 'The person it was taken from.' }),
    former_person_id: personId
      .nullable()
      .meta({ description: 'The id given back; null where one link alone was severed.' }),
    ...receipt,
  })
  .meta({ id: 'UnmergeReceipt' });

const parameters = z.object({
  id: z.string().meta({
    format: 'uuid',
    description: 'A person.',
    examples: ['9f772e09-7677-8c8f-aee9-87fc2f68338d'],
  }),
});

/** Persons merged and un-merged by hand: `POST /v1/persons/:id/merge` and `/unmerge`. */
export async function correctionRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  app.route({
    method: 'POST',
    url: '/v1/persons/:id/merge',
    config: { scope: 'write:persons' },
    attachValidation: true,
    schema: {
      ...described({
        operationId: 'mergePersons',
        tag: 'Persons',
        summary: 'Merge two persons',
        description:
          'Makes this person and `into` one, as if from the start: every view answers so once this has answered. Nothing stored is rewritten, and `unmerge` undoes it. The change feed says `person.merged` first.',
        scope: 'write:persons',
        problems,
      }),
      params: parameters,
      querystring: queryOf({}),
      body: mergeBody,
      response: { 200: jsonAnswer(mergeReceipt, 'A receipt.') },
    },
    handler: async (request, reply) => {
      const id = idOf(request);
      if (request.validationError) throw refusalOf(mergeBody, request.body);
      const { access, body } = request;
      const survivor = (await personExists(pool, access, id)) ? id : await survivorOf(pool, access, id);
      if (survivor === undefined) throw noSuchPerson();
      if (survivor !== id) return redirect(request, reply, { id, survivor });
      return answered(() => mergePersons(pool, { ...body, siteId: access.siteId, from: id }));
    },
  });

  app.route({
    method: 'POST',
    url: '/v1/persons/:id/unmerge',
    config: { scope: 'write:persons' },
    attachValidation: true,
    schema: {
      ...described({
        operationId: 'unmergePerson',
        tag: 'Persons',
        summary: 'Give back a person that was joined',
        description:
          'Severs what joined somebody to this person, whether by hand or by itself (a browser, a shared e-mail hash, an alias), and gives the former id back: it answers 200 again. Name the former id or the identity; without either it is what was merged by hand into the person, if that was one thing, or the former id in the address itself. The feed says `person.changed` of the person given back, with `unmerged_from`.',
        scope: 'write:persons',
        problems,
      }),
      params: parameters,
      querystring: queryOf({}),
      body: unmergeBody.nullish(),
      response: { 200: jsonAnswer(unmergeReceipt, 'A receipt.') },
    },
    handler: async (request) => {
      const id = idOf(request);
      if (request.validationError) throw refusalOf(unmergeBody, request.body);
      const {
        former_person_id: formerPersonId,
        identity: of,
        apart_from: apartFrom,
        author,
        note,
      } = request.body ?? {
        author: 'api',
      };
      return answered(() =>
        unmergePerson(pool, {
          siteId: request.access.siteId,
          personId: id,
          formerPersonId,
          identity: of,
          apartFrom,
          author,
          note,
        }),
      );
    },
  });
}

const problems = [
  'unknown-person',
  'invalid-correction',
  'correction-refused',
  'malformed-json',
  'body-too-large',
] as const satisfies Parameters<typeof described>[0]['problems'];

const noSuchPerson = () =>
  new Problem('unknown-person', 'Nothing was seen of such a person on this site, or not yet.');

function idOf({ params }: FastifyRequest): string {
  const { id } = params as { id: string };
  if (!personId.safeParse(id).success) throw noSuchPerson();
  return id.toLowerCase();
}

async function redirect(
  request: FastifyRequest,
  reply: FastifyReply,
  { id, survivor }: { id: string; survivor: string },
): Promise<FastifyReply> {
  return reply
    .code(308)
    .header('location', `/v1/persons/${survivor}${request.url.slice(`/v1/persons/${id}`.length)}`)
    .send({ person_id: survivor });
}

async function answered<Receipt>(work: () => Promise<Receipt>): Promise<Receipt> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CorrectionRefused)) throw error;
    if (error.kind === 'unknown')
      throw new Problem('unknown-person', `Nothing was changed: ${error.message}`);
    if (error.kind === 'busy')
      throw problemForNow('database-unavailable', `Nothing was changed: ${error.message}`, 5);
    throw new Problem('correction-refused', `Nothing was changed: ${error.message}`);
  }
}

/** Says where a body is wrong, without the words it has there. */
function refusalOf(schema: z.ZodType, body: unknown): Problem {
  const { error } = schema.safeParse(body);
  const places = (error?.issues ?? []).map(
    ({ path, message }) => `${path.join('.') || 'the body'}: ${message}`,
  );
  return new Problem('invalid-correction', `Nothing was changed. ${places.slice(0, 10).join('; ')}.`);
}
