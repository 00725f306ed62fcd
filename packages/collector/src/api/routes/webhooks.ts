import { z } from 'zod';
import {
  createWebhook,
  deleteWebhook,
  mostWebhooks,
  rotateSecret,
  updateWebhook,
} from '../../deliver/webhooks.ts';
import { Problem } from '../../problems.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';
import { described, jsonAnswer, queryOf } from '../route.ts';
import { madeWebhookSchema, rotationSchema, webhookSchema, webhookSettings } from '../webhook-schema.ts';
import { webhookById, webhooksOf } from '../webhooks.ts';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The path of one webhook. */
export const webhookPath = z.object({
  webhook_id: z.string().meta({
    format: 'uuid',
    description: 'The webhook.',
    examples: ['5b1c0f6e-7f0e-4f0a-9a52-2f6f5f1d9c11'],
  }),
});

/** The id in a path, if it can be one. */
export function webhookIdOf({ webhook_id }: { webhook_id: string }): string {
  if (!uuid.test(webhook_id)) throw noSuchWebhook();
  return webhook_id;
}

export const noSuchWebhook = () =>
  new Problem('unknown-webhook', 'It was deleted, or is of another site; `GET /v1/webhooks` lists them.');

const bodyProblems = ['invalid-webhook', 'malformed-json', 'body-too-large'] as const;
const inDefaults = ['live', 'late', 'merge'] as const;

/** Who is told of which changes: `/v1/webhooks`. */
export async function webhookRoutes(app: ApiInstance, { pool, webhookTargets }: ApiOptions): Promise<void> {
  const { url, types, ...optional } = webhookSettings(webhookTargets);
  const partial = {
    description: optional.description.default(''),
    origins: optional.origins.default([...inDefaults]),
    concurrency: optional.concurrency.default(5),
    is_enabled: optional.is_enabled.default(true),
  };
  const creation = z.strictObject({ url, types, ...partial });
  const change = z.strictObject({ url, types, ...optional }).partial();
  const rotation = z.strictObject({
    overlap_seconds: z
      .number()
      .int()
      .min(0)
      .max(30 * 86_400)
      .default(86_400)
      .meta({ description: 'How long the secrets before go on signing. Default: a day.' }),
  });

  app.route({
    method: 'GET',
    url: '/v1/webhooks',
    config: { scope: 'read:webhooks' },
    schema: {
      ...described({
        operationId: 'listWebhooks',
        tag: 'Webhooks',
        summary: 'Webhooks of the site',
        description: `All of them, in the order they were made in: a site has ${mostWebhooks} at most.`,
        scope: 'read:webhooks',
      }),
      querystring: queryOf({}),
      response: { 200: jsonAnswer(z.object({ webhooks: z.array(webhookSchema) }), 'The webhooks.') },
    },
    handler: async (request) => ({ webhooks: await webhooksOf(pool, request.access) }),
  });

  app.route({
    method: 'POST',
    url: '/v1/webhooks',
    config: { scope: 'write:webhooks' },
    attachValidation: true,
    schema: {
      ...described({
        operationId: 'createWebhook',
        tag: 'Webhooks',
        summary: 'Make a webhook',
        description:
          'It is told of what changes from now on. Its secret is in the answer and nowhere else: keep it where your receiver finds it.',
        scope: 'write:webhooks',
        problems: [...bodyProblems, 'too-many-webhooks'],
      }),
      querystring: queryOf({}),
      body: creation,
      response: { 201: jsonAnswer(madeWebhookSchema, 'The webhook, with its secret.') },
    },
    handler: async (request, reply) => {
      if (request.validationError) throw refusalOf(creation, request.body);
      const made = await createWebhook(pool, request.access.siteId, request.body);
      if (made === null) {
        throw new Problem(
          'too-many-webhooks',
          `A site has ${mostWebhooks} at most: delete one, or change one.`,
        );
      }
      const webhook = await webhookById(pool, request.access, made.webhookId);
      if (webhook === undefined) throw noSuchWebhook(); // deleted at once
      return reply.code(201).send({ ...webhook, secret: made.secret });
    },
  });

  app.route({
    method: 'GET',
    url: '/v1/webhooks/:webhook_id',
    config: { scope: 'read:webhooks' },
    schema: {
      ...described({
        operationId: 'getWebhook',
        tag: 'Webhooks',
        summary: 'One webhook',
        description: 'What it is set to, and whether it is well. Its secret is not shown again.',
        scope: 'read:webhooks',
        problems: ['unknown-webhook'],
      }),
      params: webhookPath,
      querystring: queryOf({}),
      response: { 200: jsonAnswer(webhookSchema, 'The webhook.') },
    },
    handler: async (request) => {
      const webhook = await webhookById(pool, request.access, webhookIdOf(request.params));
      if (webhook === undefined) throw noSuchWebhook();
      return webhook;
    },
  });

  app.route({
    method: 'PATCH',
    url: '/v1/webhooks/:webhook_id',
    config: { scope: 'write:webhooks' },
    attachValidation: true,
    schema: {
      ...described({
        operationId: 'updateWebhook',
        tag: 'Webhooks',
        summary: 'Change a webhook',
        description:
          'Changes what the body names and nothing else. `is_enabled: false` cancels what waits; `true` begins with what changes from then on, and what was missed can be replayed.',
        scope: 'write:webhooks',
        problems: [...bodyProblems, 'unknown-webhook'],
      }),
      params: webhookPath,
      querystring: queryOf({}),
      body: change,
      response: { 200: jsonAnswer(webhookSchema, 'The webhook as it is now.') },
    },
    handler: async (request) => {
      if (request.validationError) throw refusalOf(change, request.body);
      const webhookId = webhookIdOf(request.params);
      const { siteId } = request.access;
      await updateWebhook(pool, { siteId, webhookId }, request.body);
      const webhook = await webhookById(pool, request.access, webhookId);
      if (webhook === undefined) throw noSuchWebhook();
      return webhook;
    },
  });

  app.route({
    method: 'DELETE',
    url: '/v1/webhooks/:webhook_id',
    config: { scope: 'write:webhooks' },
    schema: {
      ...described({
        operationId: 'deleteWebhook',
        tag: 'Webhooks',
        summary: 'Delete a webhook',
        description:
          'What waits for it is cancelled. The log of its deliveries stays until it is dropped by age, in the view `journey.webhook_deliveries`.',
        scope: 'write:webhooks',
        problems: ['unknown-webhook'],
      }),
      params: webhookPath,
      querystring: queryOf({}),
      response: { 204: z.null().describe('It is gone.') },
    },
    handler: async (request, reply) => {
      const isDeleted = await deleteWebhook(pool, request.access.siteId, webhookIdOf(request.params));
      if (!isDeleted) throw noSuchWebhook();
      return reply.code(204).send(null);
    },
  });

  app.route({
    method: 'POST',
    url: '/v1/webhooks/:webhook_id/rotate',
    config: { scope: 'write:webhooks' },
    attachValidation: true,
    schema: {
      ...described({
        operationId: 'rotateWebhookSecret',
        tag: 'Webhooks',
        summary: 'Give a webhook a new secret',
        description:
          'For the time of the overlap messages carry a signature of each secret, so that receivers can change over when they like.',
        scope: 'write:webhooks',
        problems: [...bodyProblems, 'unknown-webhook'],
      }),
      params: webhookPath,
      querystring: queryOf({}),
      body: rotation.nullish(),
      response: { 200: jsonAnswer(rotationSchema, 'The new secret.') },
    },
    handler: async (request) => {
      if (request.validationError) throw refusalOf(rotation, request.body);
      const key = { siteId: request.access.siteId, webhookId: webhookIdOf(request.params) };
      const rotated = await rotateSecret(pool, key, request.body?.overlap_seconds ?? 86_400);
      if (rotated === null) throw noSuchWebhook();
      return { secret: rotated.secret, earlier_hold_until: rotated.earlierHoldUntil.toISOString() };
    },
  });
}

/** Says where a body is wrong, without the words it has there. */
export function refusalOf(schema: z.ZodType, body: unknown): Problem {
  const { error } = schema.safeParse(body);
  const places = (error?.issues ?? []).map(({ path, code, message }) => {
    if (code === 'unrecognized_keys') return 'the body names something that is no setting';
    return path.length === 0 ? message : `${path.join('.')}: ${message}`;
  });
  return new Problem('invalid-webhook', `Nothing was changed. ${places.slice(0, 10).join('; ')}.`);
}
