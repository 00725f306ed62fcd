import { z } from 'zod';
import { pingWebhook, replayDelivery, replayRange } from '../../deliver/webhooks.ts';
import { Problem } from '../../problems.ts';
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
import type { Access } from '../access.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';
import { described, jsonAnswer, queryOf } from '../route.ts';
import { deliverySchema, deliveryStates, deliveryWithAttemptsSchema } from '../webhook-schema.ts';
import { deliveryById, deliveryList, webhookById, type DeliveryWithAttempts } from '../webhooks.ts';
import { noSuchWebhook, refusalOf, webhookIdOf, webhookPath } from './webhooks.ts';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const deliveryPath = webhookPath.extend({
  delivery_id: z.string().meta({
    format: 'uuid',
    description: 'The delivery, by its `webhook-id`.',
    examples: ['0c9a7a3c-52f7-8d0b-8c1e-3f2b6f1d9c22'],
  }),
});

const noSuchDelivery = () =>
  new Problem('unknown-delivery', 'It was dropped by age, or is of another webhook.');

const replay = z.strictObject({
  since: z.iso.datetime({ offset: true }).meta({ description: 'What changed at or after this instant.' }),
  until: z.iso
    .datetime({ offset: true })
    .optional()
    .meta({ description: 'And before this one. Default: now.' }),
  states: z
    .array(z.enum(['delivered', 'failed', 'voided', 'held', 'cancelled']))
    .min(1)
    .optional()
    .meta({ description: 'Only deliveries that ended so. Without it all, and what was never sent too.' }),
});

/** What was sent to a webhook, and sending it again: `/v1/webhooks/:webhook_id/deliveries`. */
export async function deliveryRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  const mustExist = async (access: Access, webhookId: string) => {
    if ((await webhookById(pool, access, webhookId)) === undefined) throw noSuchWebhook();
  };
  const foundDelivery = async (
    access: Access,
    key: { webhookId: string; deliveryId: string },
  ): Promise<DeliveryWithAttempts> => {
    const delivery = uuid.test(key.deliveryId) ? await deliveryById(pool, access, key) : undefined;
    if (delivery === undefined) throw noSuchDelivery();
    return delivery;
  };

  app.route({
    method: 'GET',
    url: '/v1/webhooks/:webhook_id/deliveries',
    config: { scope: 'read:webhooks' },
    schema: {
      ...described({
        operationId: 'listDeliveries',
        tag: 'Webhooks',
        summary: 'What a webhook was told',
        description: 'One row a change, and one a ping. They are kept 30 days (`deliveries_kept`).',
        scope: 'read:webhooks',
        problems: ['unknown-webhook', 'invalid-cursor'],
      }),
      params: webhookPath,
      querystring: queryOf({
        state: z.enum(deliveryStates).optional().meta({ description: 'Only deliveries that stand so.' }),
        type: nameParameter('Only deliveries of this type.', 'order.placed'),
        ...timeParameters('`created_at`'),
        order: orderParameter('`created_at`', 'newest'),
        ...pageParameters,
      }),
      response: { 200: pageSchema('deliveries', deliverySchema, 'One page of deliveries.') },
    },
    handler: async (request, reply) => {
      const webhookId = webhookIdOf(request.params);
      await mustExist(request.access, webhookId);
      const { state, type, since, until, order, limit, cursor } = request.query;
      const page = await pageOf({ pool, access: request.access }, deliveryList, {
        filters: filtersOf({
          'webhook_deliveries.webhook_id = ?': webhookId,
          'webhook_deliveries.state = ?': state,
          'webhook_deliveries.type = ?': type,
          'webhook_deliveries.created_at >= ?': since,
          'webhook_deliveries.created_at < ?': until,
        }),
        direction: directionOf(order),
        limit,
        cursor,
      });
      return sendPage(request, reply, { name: 'deliveries', row: deliverySchema, page });
    },
  });

  app.route({
    method: 'GET',
    url: '/v1/webhooks/:webhook_id/deliveries/:delivery_id',
    config: { scope: 'read:webhooks' },
    schema: {
      ...described({
        operationId: 'getDelivery',
        tag: 'Webhooks',
        summary: 'What was sent and answered',
        description: 'One delivery with the body that was sent last, and every attempt with its answer.',
        scope: 'read:webhooks',
        problems: ['unknown-webhook', 'unknown-delivery'],
      }),
      params: deliveryPath,
      querystring: queryOf({}),
      response: { 200: jsonAnswer(deliveryWithAttemptsSchema, 'The delivery.') },
    },
    handler: async (request) => {
      const webhookId = webhookIdOf(request.params);
      await mustExist(request.access, webhookId);
      return foundDelivery(request.access, { webhookId, deliveryId: request.params.delivery_id });
    },
  });

  app.route({
    method: 'POST',
    url: '/v1/webhooks/:webhook_id/deliveries/:delivery_id/replay',
    config: { scope: 'write:webhooks' },
    schema: {
      ...described({
        operationId: 'replayDelivery',
        tag: 'Webhooks',
        summary: 'Send a delivery once more',
        description:
          'Under the `webhook-id` it has, by a schedule that begins anew. One that is under way already is left as it is. A message about a cart is read again before it is sent, as always.',
        scope: 'write:webhooks',
        problems: ['unknown-webhook', 'unknown-delivery'],
      }),
      params: deliveryPath,
      querystring: queryOf({}),
      response: { 202: jsonAnswer(deliveryWithAttemptsSchema, 'The delivery, which waits to be sent.') },
    },
    handler: async (request, reply) => {
      const webhookId = webhookIdOf(request.params);
      await mustExist(request.access, webhookId);
      const key = { webhookId, deliveryId: request.params.delivery_id };
      await foundDelivery(request.access, key);
      await replayDelivery(pool, request.access.siteId, key);
      return reply.code(202).send(await foundDelivery(request.access, key));
    },
  });

  app.route({
    method: 'POST',
    url: '/v1/webhooks/:webhook_id/deliveries/replay',
    config: { scope: 'write:webhooks' },
    attachValidation: true,
    schema: {
      ...described({
        operationId: 'replayDeliveries',
        tag: 'Webhooks',
        summary: 'Send all of a time once more',
        description:
          'Everything that changed in that time and that the webhook is subscribed to, also what it missed while it was disabled; with `states`, only deliveries that ended so. Each keeps its `webhook-id`.',
        scope: 'write:webhooks',
        problems: ['unknown-webhook', 'invalid-webhook', 'malformed-json', 'body-too-large'],
      }),
      params: webhookPath,
      querystring: queryOf({}),
      body: replay,
      response: {
        202: jsonAnswer(
          z.object({ replayed: z.number().int().meta({ description: 'How many wait to be sent now.' }) }),
          'How many.',
        ),
      },
    },
    handler: async (request, reply) => {
      if (request.validationError) throw refusalOf(replay, request.body);
      const webhookId = webhookIdOf(request.params);
      await mustExist(request.access, webhookId);
      const { since, until, states } = request.body;
      const replayed = await replayRange(pool, request.access.siteId, {
        webhookId,
        since: new Date(since).toISOString(),
        until:
          until === undefined ? new Date(Date.now() + 60_000).toISOString() : new Date(until).toISOString(),
        states,
      });
      return reply.code(202).send({ replayed });
    },
  });

  app.route({
    method: 'POST',
    url: '/v1/webhooks/:webhook_id/ping',
    config: { scope: 'write:webhooks' },
    schema: {
      ...described({
        operationId: 'pingWebhook',
        tag: 'Webhooks',
        summary: 'Send a test message',
        description:
          'A `webhook.ping`, signed like every message, also to a webhook that is disabled. What was answered stands in the delivery a moment later.',
        scope: 'write:webhooks',
        problems: ['unknown-webhook'],
      }),
      params: webhookPath,
      querystring: queryOf({}),
      response: { 202: jsonAnswer(deliveryWithAttemptsSchema, 'The delivery, which waits to be sent.') },
    },
    handler: async (request, reply) => {
      const webhookId = webhookIdOf(request.params);
      const deliveryId = await pingWebhook(pool, request.access.siteId, webhookId);
      if (deliveryId === null) throw noSuchWebhook();
      return reply.code(202).send(await foundDelivery(request.access, { webhookId, deliveryId }));
    },
  });
}
