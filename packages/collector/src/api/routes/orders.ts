import { orderList } from '../orders.ts';
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
import { orderSchema } from '../schemas.ts';

/** Orders of all persons: `/v1/orders`. */
export async function orderRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  const about = described({
    operationId: 'listOrders',
    tag: 'Orders',
    summary: 'Orders',
    description: 'Orders with what was refunded of them, in their own currency and the site’s.',
    scope: 'read:orders',
    problems: ['invalid-cursor'],
  });
  app.route({
    method: 'GET',
    url: '/v1/orders',
    config: { scope: 'read:orders' },
    schema: {
      ...about,
      querystring: queryOf({
        channel: nameParameter('Only orders of this channel.', 'Direct'),
        ...timeParameters('`occurred_at`'),
        order: orderParameter('`occurred_at`', 'newest'),
        ...pageParameters,
      }),
      response: { 200: pageSchema('orders', orderSchema, 'One page of orders.') },
    },
    handler: async (request, reply) => {
      const { channel, since, until, order, limit, cursor } = request.query;
      const page = await pageOf({ pool, access: request.access }, orderList, {
        filters: filtersOf({
          'orders.channel = ?': channel,
          'orders.occurred_at >= ?': since,
          'orders.occurred_at < ?': until,
        }),
        direction: directionOf(order),
        limit,
        cursor,
      });
      return sendPage(request, reply, { name: 'orders', row: orderSchema, page });
    },
  });
}
