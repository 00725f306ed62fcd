import type { List } from './page.ts';

/** The orders of a site by time. */
export const orderList: List = {
  name: 'orders',
  columns: `orders.order_id, orders.person_id, persons.user_id, orders.session_id, orders.occurred_at, orders.gross,
    orders.refunded, orders.net, orders.currency, orders.gross_site, orders.refunded_site, orders.net_site, orders.channel`,
  from: `journey.orders
    left join journey.persons
      on persons.site_id = orders.site_id
      and persons.person_id = orders.person_id`,
  siteColumn: 'orders.site_id',
  key: [
    { column: 'orders.occurred_at', type: 'timestamptz' },
    { column: 'orders.order_id', type: 'text' },
  ],
};
