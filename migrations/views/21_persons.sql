create view journey.persons as
select
  persons.site_id,
  persons.person_id,
  persons.user_id,
  persons.first_seen_at,
  persons.last_seen_at,
  persons.first_channel,
  coalesce(persons.traits, '{}'::jsonb) as traits,
  persons.order_count > 0 as is_customer,
  case when persons.order_count = 0 then 'lead' when persons.order_count = 1 then 'customer' else 'repeat_customer' end as customer_status,
  persons.order_count,
  persons.net_revenue,
  sites.currency,
  persons.order_count > 0 and persons.refunded_order_count = persons.order_count as is_fully_refunded,
  persons.unconverted_order_count,
  persons.runaway_at is not null as is_runaway,
  persons.runaway_at
from store.persons
join store.sites on sites.site_id = persons.site_id;

comment on view journey.persons is
  'One row per person: the identities that resolve to each other.';
comment on column journey.persons.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.persons.person_id is
  'UUID v8 of a keyed hash of the anchor identity; the same after any rebuild.';
comment on column journey.persons.user_id is 'The user id that anchors the person; null while anonymous.';
comment on column journey.persons.first_seen_at is 'First touchpoint.';
comment on column journey.persons.last_seen_at is 'Latest touchpoint.';
comment on column journey.persons.first_channel is 'Channel of the first touchpoint.';
comment on column journey.persons.traits is 'Per key the latest value; contacts are kept elsewhere.';
comment on column journey.persons.is_customer is 'Whether the person has an order, refunded or not.';
comment on column journey.persons.customer_status is 'lead, customer or repeat_customer.';
comment on column journey.persons.order_count is 'Orders, refunded or not.';
comment on column journey.persons.net_revenue is 'Gross less refunds, in the site''s currency.';
comment on column journey.persons.currency is 'The site''s currency.';
comment on column journey.persons.is_fully_refunded is 'Whether every order was refunded whole.';
comment on column journey.persons.unconverted_order_count is
  'Orders in another currency without a rate: not in net_revenue.';
comment on column journey.persons.is_runaway is
  'Whether there were more touchpoints within 24 hours than the site''s runaway_limit: no human, and gives no signal.';
comment on column journey.persons.runaway_at is 'When the first touchpoint too many happened; null for a human.';
