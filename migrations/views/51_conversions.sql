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
  orders.currency
from store.orders;

comment on view journey.conversions is
  'One row per conversion: a touchpoint that reached a goal. The default goal is an order.';
comment on column journey.conversions.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.conversions.conversion_id is 'The id of its touchpoint.';
comment on column journey.conversions.goal is 'The goal reached.';
comment on column journey.conversions.person_id is 'Who converted.';
comment on column journey.conversions.session_id is 'The session it belongs to.';
comment on column journey.conversions.touchpoint_id is 'The touchpoint that reached the goal.';
comment on column journey.conversions.order_id is 'The order, if it is one.';
comment on column journey.conversions.occurred_at is 'When.';
comment on column journey.conversions.value is 'Its worth.';
comment on column journey.conversions.currency is 'ISO 4217.';
