-- Goals: what counts as a conversion at a site; and what of an order is disputed.

alter table store.sites add column goals jsonb not null
  default '[{"name": "purchase", "event": "purchase", "counting": "every_time", "is_primary": true}]'
  check (jsonb_typeof(goals) = 'array');
comment on column store.sites.goals is
  'What counts as a conversion: a list of goals, checked by src/goals/check.ts. The goal purchase counts every order.';

-- What reached a goal other than `purchase`, whose conversions are the orders themselves.
create table store.conversions (
  site_id integer not null,
  conversion_id uuid not null, -- made of the goal and of the touchpoint or order
  goal text not null,
  is_primary boolean not null,
  is_counted boolean not null, -- false: not the first of its session, where the goal counts once per session
  person_id uuid not null,
  touchpoint_id uuid not null,
  order_id text,
  occurred_at timestamptz not null,
  sequence bigint not null,
  value numeric,
  currency text,
  session_id uuid,
  day date not null,
  channel text not null,
  utm_source text,
  campaign text,
  device text,
  primary key (site_id, conversion_id)
);
create index conversions_person on store.conversions (site_id, person_id, day);
create index conversions_session on store.conversions (site_id, session_id, goal) where session_id is not null;
create index conversions_occurred_at on store.conversions (site_id, occurred_at, conversion_id);
comment on table store.conversions is
  'One row per touchpoint or order that reached a goal other than purchase. Derived.';

-- Conversions of primary goals make the rates; until now there was no other.
alter table store.person_days add column primary_conversions integer not null default 0;
alter table store.day_metrics add column primary_conversions bigint not null default 0;
update store.person_days set primary_conversions = conversions where conversions <> 0;
update store.day_metrics set primary_conversions = conversions where conversions <> 0;

-- What was said by write key otherwise than the order has it, field by field; null where nothing was.
alter table store.orders add column disputed jsonb;

-- Refunds and cancellations that wait for their order.
create index order_touchpoints_given_back on store.order_touchpoints (site_id, order_id) where kind <> 'order';
