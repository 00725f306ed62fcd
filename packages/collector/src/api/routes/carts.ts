import { z } from 'zod';
import { abandonedCartList, cartList } from '../carts.ts';
import { filtersOf, pageOf } from '../page.ts';
import {
  directionOf,
  orderParameter,
  pageParameters,
  pageSchema,
  sendPage,
  timeParameters,
} from '../page-answer.ts';
import { described, queryOf } from '../route.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';
import { cartSchema, cartStates } from '../schemas.ts';

/** Carts with their lines: `/v1/carts`. */
export async function cartRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  const about = described({
    operationId: 'listCarts',
    tag: 'Carts',
    summary: 'Carts',
    description:
      'Carts by state, with their lines and whose they are. `state=abandoned` is sorted by `abandoned_at`, every other list by `opened_at`; `since` and `until` are about the same column.',
    scope: 'read:carts',
    problems: ['invalid-cursor'],
  });
  app.route({
    method: 'GET',
    url: '/v1/carts',
    config: { scope: 'read:carts' },
    schema: {
      ...about,
      querystring: queryOf({
        state: z
          .enum(cartStates)
          .optional()
          .meta({ description: 'Only carts in this state now.', examples: ['abandoned'] }),
        ...timeParameters('`abandoned_at` (for `state=abandoned`) or `opened_at`'),
        order: orderParameter('that time', 'newest'),
        ...pageParameters,
      }),
      response: { 200: pageSchema('carts', cartSchema, 'One page of carts.') },
    },
    handler: async (request, reply) => {
      const { state, since, until, order, limit, cursor } = request.query;
      const isAbandoned = state === 'abandoned';
      const column = isAbandoned ? 'carts.abandoned_at' : 'carts.opened_at';
      const page = await pageOf(
        { pool, access: request.access },
        isAbandoned ? abandonedCartList : cartList,
        {
          filters: filtersOf({
            'carts.state = ?': state,
            [`${column} >= ?`]: since,
            [`${column} < ?`]: until,
          }),
          direction: directionOf(order),
          limit,
          cursor,
        },
      );
      return sendPage(request, reply, { name: 'carts', row: cartSchema, page });
    },
  });
}
