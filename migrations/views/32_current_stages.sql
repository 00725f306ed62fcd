create view journey.current_stages as
select
  persons.site_id,
  persons.person_id,
  persons.stage,
  model_machines.stages[persons.furthest] as furthest_stage,
  persons.since,
  persons.journey_number,
  persons.order_count > 0 as is_customer,
  case when persons.order_count = 0 then 'lead' when persons.order_count = 1 then 'customer' else 'repeat_customer' end as customer_status,
  persons.order_count as orders,
  persons.order_count > 0 and persons.last_signal_at + sites.lapsed_after <= clocks.as_of as lapsed,
  persons.last_signal_at,
  sites.model_version,
  persons.order_count > 0 and persons.refunded_order_count = persons.order_count as is_fully_refunded
from store.persons
join store.sites on sites.site_id = persons.site_id
join store.model_machines
  on model_machines.model_name = sites.model_name and model_machines.version = sites.model_version
left join store.clocks on clocks.site_id = persons.site_id
where persons.stage is not null;

comment on view journey.current_stages is
  'One row per person with any signal: where the person stands now.';
comment on column journey.current_stages.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.current_stages.person_id is 'Who.';
comment on column journey.current_stages.stage is 'The stage now; may go back.';
comment on column journey.current_stages.furthest_stage is 'The furthest stage ever, over all journeys.';
comment on column journey.current_stages.since is 'When the present stage began.';
comment on column journey.current_stages.journey_number is
  '1 for the first journey; the next decision after a purchase begins another.';
comment on column journey.current_stages.is_customer is 'Whether the person has an order.';
comment on column journey.current_stages.customer_status is 'lead, customer or repeat_customer.';
comment on column journey.current_stages.orders is 'Number of orders, refunded or not.';
comment on column journey.current_stages.lapsed is
  'A customer without a signal for 180 days (a setting) at the site''s as_of.';
comment on column journey.current_stages.last_signal_at is 'The last signal of any kind.';
comment on column journey.current_stages.model_version is 'Version of the journey model.';
comment on column journey.current_stages.is_fully_refunded is 'Whether every order was refunded whole.';
