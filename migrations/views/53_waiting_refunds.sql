create view journey.waiting_refunds as
select distinct on (order_touchpoints.site_id, order_touchpoints.order_id, order_touchpoints.kind, order_touchpoints.refund_id)
  order_touchpoints.site_id,
  order_touchpoints.order_id,
  order_touchpoints.refund_id,
  order_touchpoints.kind,
  order_touchpoints.person_id,
  order_touchpoints.touchpoint_id,
  order_touchpoints.occurred_at,
  order_touchpoints.amount,
  order_touchpoints.currency
from store.order_touchpoints
where order_touchpoints.kind <> 'order'
  and not exists (
    select from store.orders
    where orders.site_id = order_touchpoints.site_id and orders.order_id = order_touchpoints.order_id
  )
order by order_touchpoints.site_id, order_touchpoints.order_id, order_touchpoints.kind, order_touchpoints.refund_id,
  order_touchpoints.is_trusted desc, order_touchpoints.occurred_at, order_touchpoints.sequence, order_touchpoints.touchpoint_id;

comment on view journey.waiting_refunds is
  'One row per refund or cancellation whose order is not known: it counts once the order is.';
comment on column journey.waiting_refunds.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.waiting_refunds.order_id is 'The order it waits for.';
comment on column journey.waiting_refunds.refund_id is 'The shop''s refund id, or its touchpoint''s.';
comment on column journey.waiting_refunds.kind is 'refund or cancellation.';
comment on column journey.waiting_refunds.person_id is 'Whose touchpoint told of it.';
comment on column journey.waiting_refunds.touchpoint_id is 'The touchpoint that told of it; of several the most trusted, then the earliest.';
comment on column journey.waiting_refunds.occurred_at is 'When that happened.';
comment on column journey.waiting_refunds.amount is 'What is given back; null: by lines, or all of it.';
comment on column journey.waiting_refunds.currency is 'ISO 4217, if it was said.';
