-- Retention: touchpoints older than their site keeps them are dropped by the month. What everything later hangs on is kept
-- first, and is an input from then on.

alter table store.sites
  add column retention interval not null default interval '0 seconds',
  add column retained_from timestamptz not null default '-infinity';
comment on column store.sites.retention is 'How long touchpoints are kept; 0 for ever.';
comment on column store.sites.retained_from is
  'What happened before it was dropped, but for what store.retained_… and touchpoints flagged `retained` say.';

-- Where persons stood at their last touchpoint that was dropped, by the identity that gave them their id. States and stages
-- are kept by name: numbers are those of one version of a journey model.
create table store.retained_persons (
  site_id integer not null,
  identity_id uuid not null,
  last_seen_at timestamptz not null,
  last_sequence bigint not null,
  last_touchpoint_id uuid not null,
  valid_from timestamptz not null,
  state text,
  stage text,
  furthest_stage text,
  since timestamptz,
  journey_number integer,
  last_signal_at timestamptz,
  transition_count integer not null,
  last_timer_at timestamptz,
  held_until timestamptz,
  overridden_at timestamptz,
  entered_stages text[] not null,
  product_seen_at timestamptz,
  first_seen_at timestamptz not null,
  first_channel text,
  traits jsonb,
  carts jsonb,
  cart_ids jsonb, -- every id of the shop's that they held a cart by, with the place of its first opening
  primary key (site_id, identity_id)
);
comment on table store.retained_persons is 'What is kept of a person when their oldest touchpoints are dropped.';

-- The session of a visitor that touchpoints after the cut may still belong to, as it stood at the cut.
create table store.retained_sessions (like store.sessions);
alter table store.retained_sessions add primary key (site_id, identity_id);
comment on table store.retained_sessions is 'Sessions that may go on past the instant before which touchpoints were dropped.';

create table store.retained_orders (
  site_id integer not null,
  order_id text not null,
  session_id uuid,
  day date,
  channel text,
  utm_source text,
  campaign text,
  device text,
  primary key (site_id, order_id)
);
comment on table store.retained_orders is 'Which session and channel an order belongs to whose session is dropped.';

create table store.retained_carts (
  site_id integer not null,
  cart_key uuid not null,
  channel text,
  primary key (site_id, cart_key)
);
comment on table store.retained_carts is 'Which channel brought a cart whose opening touchpoint is dropped.';

create table store.retained_days (like store.day_metrics);
alter table store.retained_days add primary key (site_id, day, channel, source, campaign, device);
comment on table store.retained_days is 'Metrics of days whose touchpoints are dropped.';

create table store.retained_stays (like store.stage_days);
alter table store.retained_stays add primary key (site_id, day, channel, stage, to_stage, step);
comment on table store.retained_stays is 'What dropped transitions are to the figures of stages.';

alter table store.checkpoints
  add column is_retained boolean not null default false,
  add column first_seen_at timestamptz;
comment on column store.checkpoints.is_retained is
  'Made of store.retained_persons: nothing before it can be derived again. It alone says when the person was first seen.';
