create view journey.orders as
select
  orders.site_id,
  orders.order_id,
  orders.person_id,
  orders.session_id,
  orders.occurred_at,
  orders.gross,
  orders.refunded,
  trim_scale(orders.gross - orders.refunded) as net,
  orders.currency,
  store.in_site_currency(orders.gross, orders.is_foreign, orders.site_rate) as gross_site,
  store.in_site_currency(orders.refunded, orders.is_foreign, orders.site_rate) as refunded_site,
  trim_scale(store.in_site_currency(orders.gross, orders.is_foreign, orders.site_rate)
    - store.in_site_currency(orders.refunded, orders.is_foreign, orders.site_rate)) as net_site,
  orders.channel,
  orders.source,
  orders.tax,
  orders.shipping,
  orders.discount,
  orders.cart_id,
  orders.touchpoint_id,
  case when orders.is_foreign then orders.site_rate else 1 end as site_rate,
  orders.disputed
from store.orders;

comment on view journey.orders is
  'One row per order: once across browser, server and import.';
comment on column journey.orders.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.orders.order_id is 'The shop''s order id, or the purchase touchpoint''s id.';
comment on column journey.orders.person_id is 'Who bought.';
comment on column journey.orders.session_id is 'The session it belongs to; null for an offline order.';
comment on column journey.orders.occurred_at is 'Its earliest touchpoint.';
comment on column journey.orders.gross is 'What was paid, before refunds.';
comment on column journey.orders.refunded is 'What was given back; never beyond gross.';
comment on column journey.orders.net is 'gross less refunded.';
comment on column journey.orders.currency is 'ISO 4217.';
comment on column journey.orders.gross_site is
  'gross in the site''s currency, by the rate of the order''s day; null without a rate.';
comment on column journey.orders.refunded_site is
  'refunded in the site''s currency, by the rate of the order''s day as well; null without a rate.';
comment on column journey.orders.net_site is 'net in the site''s currency; null without a rate.';
comment on column journey.orders.channel is 'Channel of its session, else its offline channel, else Unassigned.';
comment on column journey.orders.source is 'Where it happened: web, app, server, store, phone …';
comment on column journey.orders.tax is 'Tax.';
comment on column journey.orders.shipping is 'Shipping.';
comment on column journey.orders.discount is 'Discount.';
comment on column journey.orders.cart_id is 'The cart id it named.';
comment on column journey.orders.touchpoint_id is 'The touchpoint that gave the purchase signal.';
comment on column journey.orders.site_rate is
  'What one unit of its currency was worth in the site''s; null without a rate.';
comment on column journey.orders.disputed is
  'Where it was told of with a secret key: what touchpoints with a write key said otherwise, a list by field; null where they agree.';
