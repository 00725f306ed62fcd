import type { List } from './page.ts';

/** All carts of a site by when they were opened. */
export const cartList: List = {
  name: 'carts',
  columns: `carts.cart_key, carts.cart_id, carts.person_id, carts.user_id, carts.state, carts.lines, carts.item_count::double precision as item_count,
    carts.value, carts.currency, carts.furthest_step, carts.tier, carts.opened_at, carts.last_activity_at,
    carts.abandoned_at, carts.first_abandoned_at, carts.abandonment_count, carts.order_id, carts.recovery_url`,
  from: 'journey.carts',
  siteColumn: 'carts.site_id',
  key: [
    { column: 'carts.opened_at', type: 'timestamptz' },
    { column: 'carts.cart_key', type: 'uuid' },
  ],
};

/** The carts that are abandoned now, by when that happened. */
export const abandonedCartList: List = {
  ...cartList,
  name: 'abandoned-carts',
  key: [
    { column: 'carts.abandoned_at', type: 'timestamptz' },
    { column: 'carts.cart_key', type: 'uuid' },
  ],
};
