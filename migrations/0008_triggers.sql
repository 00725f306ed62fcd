-- Triggers (SEMANTICS 7): a log of what fell due about carts and products seen, and what became of it. Never rebuilt.
create table store.cart_triggers (
  site_id integer not null,
  trigger_id uuid not null,
  cart_key uuid, -- null for browse: that one is about the person
  person_id uuid not null,
  tier text not null check (tier in ('checkout', 'cart', 'browse')),
  step smallint not null,
  last_activity_at timestamptz not null, -- the activity it is for
  abandoned_at timestamptz not null,
  due_at timestamptz not null,
  armed_at timestamptz not null default clock_timestamp(),
  fired_at timestamptz,
  attempted_at timestamptz,
  attempt_count integer not null default 0,
  delivered_at timestamptz,
  settled_at timestamptz, -- when it was suppressed, voided or superseded
  state text not null default 'pending'
    check (state in ('pending', 'fired', 'delivered', 'suppressed', 'voided', 'superseded')),
  reason text,
  primary key (site_id, trigger_id)
);
create unique index cart_triggers_once on store.cart_triggers (site_id, cart_key, tier, step, last_activity_at)
  where cart_key is not null;
create index cart_triggers_person on store.cart_triggers (site_id, person_id, due_at);
create index cart_triggers_due on store.cart_triggers (due_at) where state = 'pending';
create index cart_triggers_fired on store.cart_triggers (site_id, fired_at) where state = 'fired';
comment on table store.cart_triggers is
  'One row per trigger: cart or person, tier, step and the activity it is for. A log: never rebuilt.';

-- How far the collectors are: what one of them acked before `acked_until` is stored.
create table store.collectors (
  collector_id text primary key,
  acked_until timestamptz not null,
  seen_at timestamptz not null,
  started_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
comment on table store.collectors is
  'One row per running collector: every touchpoint it acked before acked_until is stored. Told about once a second.';

alter table store.batches add column received_at timestamptz;
comment on column store.batches.received_at is 'When the first of its touchpoints was received.';

alter table store.persons add column product_seen_at timestamptz;
comment on column store.persons.product_seen_at is 'The latest view of a product.';

alter table store.sites
  add column trigger_steps interval[] not null default array[interval '0'],
  add column browse_delay interval not null default '24 hours',
  add column trigger_cap_window interval not null default '24 hours',
  add column higher_tier_window interval not null default '48 hours',
  add column trigger_stale_after interval not null default '1 hour',
  add column recovery_window interval not null default '168 hours',
  add column collector_silence_limit interval not null default '60 seconds',
  add column triggers_from timestamptz;
comment on column store.sites.trigger_steps is 'When the steps of a trigger are due, counted from the abandonment.';
comment on column store.sites.triggers_from is
  'What fell due before this arms no trigger: the instant of the last change of a setting.';
