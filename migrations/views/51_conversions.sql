create view journey.conversions as
select
  orders.site_id,
  orders.first_touchpoint_id as conversion_id,
  'purchase'::text as goal,
  orders.person_id,
  orders.session_id,
  orders.first_touchpoint_id as touchpoint_id,
  orders.order_id,
  orders.occurred_at,
  orders.gross as value,
  orders.currency,
  store.in_site_currency(orders.gross, orders.is_foreign, orders.site_rate) as value_site,
  orders.channel,
  sites.goals @> '[{"name": "purchase", "is_primary": true}]' as is_primary
from store.orders
join store.sites on sites.site_id = orders.site_id
where sites.goals @> '[{"name": "purchase"}]'
union all
select
  conversions.site_id,
  conversions.conversion_id,
  conversions.goal,
  conversions.person_id,
  conversions.session_id,
  conversions.touchpoint_id,
  conversions.order_id,
  conversions.occurred_at,
  conversions.value,
  conversions.currency,
  case when conversions.currency <> sites.currency
    then trim_scale(round(conversions.value * store.shown_rate_of(
      conversions.site_id, (conversions.occurred_at at time zone sites.time_zone)::date, conversions.currency, sites.currency), 6))
  else conversions.value end,
  conversions.channel,
  conversions.is_primary
from store.conversions
join store.sites on sites.site_id = conversions.site_id
where conversions.is_counted;

comment on view journey.conversions is
  'One row per conversion: a touchpoint or order that reached a goal. The default goal, purchase, is every order.';
comment on column journey.conversions.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.conversions.conversion_id is
  'An id of its own: of the goal purchase that of its touchpoint, else made of the goal and the touchpoint or order.';
comment on column journey.conversions.goal is 'The goal reached.';
comment on column journey.conversions.person_id is 'Who converted.';
comment on column journey.conversions.session_id is
  'The session it belongs to: where it happened, else the person''s last one begun within 24 hours before; else null.';
comment on column journey.conversions.touchpoint_id is 'The touchpoint that reached the goal; of an order its earliest.';
comment on column journey.conversions.order_id is 'The order, if it is one.';
comment on column journey.conversions.occurred_at is 'When.';
comment on column journey.conversions.value is 'Its worth; null where it has none.';
comment on column journey.conversions.currency is 'ISO 4217; null without a value.';
comment on column journey.conversions.value_site is
  'value in the site''s currency, by the rate of the conversion''s day; null without a value or a rate.';
comment on column journey.conversions.channel is 'Channel of its session, else its offline channel, else Unassigned.';
comment on column journey.conversions.is_primary is 'Whether its goal makes the rates.';
