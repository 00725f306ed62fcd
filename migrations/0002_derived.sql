-- Derived rows: each can be dropped and made again from the inputs. The functions in migrations/definitions name these
-- tables without their schema, so that the very same definitions fill a set of temporary twins for `milepost verify`.

create table store.models (
  model_name text not null,
  version integer not null,
  document jsonb not null,
  primary key (model_name, version)
);
comment on table store.models is 'One row per version of a journey model: a finite automaton kept as data.';

-- A model, compiled for the stage machine. States and signals are numbered from 1; state 0 is "nobody yet".
create table store.model_machines (
  model_name text not null,
  version integer not null,
  stages text[] not null,
  states text[] not null,
  state_stages smallint[] not null,       -- state → position of its stage
  signals text[] not null,
  return_signal smallint not null,
  returning_signals smallint[] not null,  -- signals that count as a return after the session gap
  purchase_signal smallint not null,
  -- [state * signals + signal] → state to go to; 0 stays; 100 added begins a new journey
  targets smallint[] not null,
  timer_names text[] not null,            -- by state; null where it has no timer
  timer_seconds double precision[] not null,
  timer_targets smallint[] not null,
  primary key (model_name, version)
);

create table store.model_rules (
  model_name text not null,
  version integer not null,
  event_name text not null,
  position smallint not null,
  signal smallint, -- null: no signal
  rule text not null,
  condition jsonb,
  primary key (model_name, version, event_name, position)
);
comment on table store.model_rules is
  'Which touchpoint gives which signal: the first rule of its event name whose condition holds.';

create table store.clocks (
  site_id integer primary key,
  as_of timestamptz not null,
  newest_touchpoint_at timestamptz
);
comment on table store.clocks is
  'The instant up to which timers have happened, one row per site, and the newest touchpoint derived.';

-- One row per identity and spell. A user id has exactly one; an anonymous id one for each user seen with it in turn.
create table store.identities (
  site_id integer not null,
  identity_id uuid not null,
  spell smallint not null,
  type text not null,
  value text not null,
  user_id text,
  person_id uuid not null,
  former_person_id uuid,
  from_at timestamptz not null, -- -infinity for the first spell: a merge has no date
  from_sequence bigint not null,
  from_touchpoint_id uuid not null,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  last_sequence bigint not null,
  last_touchpoint_id uuid not null,
  primary key (site_id, identity_id, spell)
) with (fillfactor = 80);
create index identities_person on store.identities (site_id, person_id);
create index identities_former_person on store.identities (site_id, former_person_id) where former_person_id is not null;
create index identities_value on store.identities (site_id, value);

create table store.persons (
  site_id integer not null,
  person_id uuid not null,
  user_id text,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  last_sequence bigint not null,
  last_touchpoint_id uuid not null,
  first_channel text,
  traits jsonb,
  -- the stage machine; state is null for a person without any signal
  state smallint,
  stage text,
  furthest smallint,
  since timestamptz,
  journey_number integer,
  last_signal_at timestamptz,
  transition_count integer not null default 0,
  is_buyer boolean not null default false,
  order_count integer not null default 0,
  refunded_order_count integer not null default 0,
  net_revenue numeric not null default 0,
  unconverted_order_count integer not null default 0,
  -- a lower bound of the next instant at which a timer of this person falls due
  next_due_at timestamptz,
  primary key (site_id, person_id)
) with (fillfactor = 75);
create index persons_due on store.persons (site_id, next_due_at) where next_due_at is not null;
create index persons_stage on store.persons (site_id, stage, person_id) include (furthest) where stage is not null;

create table store.sessions (
  site_id integer not null,
  session_id uuid not null,
  identity_id uuid not null,
  visitor_id text not null,
  person_id uuid not null,
  started_at timestamptz not null,
  started_sequence bigint not null,
  ended_at timestamptz not null,
  engaged_milliseconds bigint not null,
  page_view_count integer not null,
  touchpoint_count integer not null,
  entry_page text,
  exit_page text,
  channel text not null,
  source text,
  medium text,
  campaign text,
  term text,
  content text,
  device text,
  last_campaign text,
  primary key (site_id, session_id)
) with (fillfactor = 80);
create unique index sessions_visitor on store.sessions (site_id, identity_id, started_at, started_sequence, session_id);
create index sessions_person on store.sessions (site_id, person_id, started_at);

create table store.stage_transitions (
  site_id integer not null,
  person_id uuid not null,
  transition_number integer not null,
  transition_id uuid not null,
  journey_number integer not null,
  from_stage text,
  to_stage text not null,
  occurred_at timestamptz not null,
  touchpoint_id uuid,
  cause text not null,
  signal text,
  rule text,
  model_version integer not null,
  direction text not null,
  skipped_stages text[] not null,
  author text,
  seconds_in_from_stage double precision,
  primary key (site_id, person_id, transition_number)
);
create index stage_transitions_occurred_at on store.stage_transitions (site_id, occurred_at, transition_id);

create table store.carts (
  site_id integer not null,
  cart_key uuid not null,
  cart_id text,
  person_id uuid not null,
  state text not null,
  opened_at timestamptz not null,
  last_activity_at timestamptz not null,
  last_sequence bigint not null,
  last_touchpoint_id uuid not null,
  abandoned_at timestamptz,
  first_abandoned_at timestamptz,
  abandonment_count integer not null,
  furthest_step smallint not null, -- 1 cart, 2 checkout, 3 shipping, 4 payment
  lines jsonb not null,
  item_count numeric not null,
  value numeric,
  currency text,
  recovery_url text,
  order_id text,
  closed_at timestamptz,
  primary key (site_id, cart_key)
);
create index carts_person on store.carts (site_id, person_id);
create index carts_cart_id on store.carts (site_id, cart_id) where cart_id is not null;
create index carts_state on store.carts (site_id, state, abandoned_at, cart_key);
create index carts_opened_at on store.carts (site_id, opened_at, cart_key);

-- Who was seen with a shop's cart id: a purchase closes the round of its cart id for whoever holds it.
create table store.cart_holders (
  site_id integer not null,
  cart_id text not null,
  person_id uuid not null,
  first_at timestamptz not null,
  first_sequence bigint not null,
  first_touchpoint_id uuid not null,
  primary key (site_id, cart_id, person_id)
);
create index cart_holders_person on store.cart_holders (site_id, person_id);

-- What each touchpoint said of an order: a purchase, a refund or a cancellation.
create table store.order_touchpoints (
  site_id integer not null,
  order_id text not null,
  touchpoint_id uuid not null,
  kind text not null,
  person_id uuid not null,
  has_user boolean not null,
  is_trusted boolean not null,
  occurred_at timestamptz not null,
  sequence bigint not null,
  visitor_identity_id uuid,
  source text not null,
  cart_id text,
  currency text,
  gross numeric,
  tax numeric,
  shipping numeric,
  discount numeric,
  refund_id text,
  amount numeric,
  items jsonb,
  primary key (site_id, order_id, touchpoint_id)
);
create index order_touchpoints_cart on store.order_touchpoints (site_id, cart_id) where cart_id is not null;

create table store.orders (
  site_id integer not null,
  order_id text not null,
  person_id uuid not null,
  touchpoint_id uuid not null, -- the earliest of the order's own person: the one that gives the purchase signal
  occurred_at timestamptz not null,
  source text not null,
  currency text,
  gross numeric,
  tax numeric,
  shipping numeric,
  discount numeric,
  refunded numeric not null,
  visitor_identity_id uuid,
  visitor_at timestamptz,
  visitor_sequence bigint,
  visitor_touchpoint_id uuid,
  session_id uuid,
  day date,
  channel text,
  utm_source text,
  campaign text,
  device text,
  primary key (site_id, order_id)
);
create index orders_person on store.orders (site_id, person_id);
create index orders_session on store.orders (site_id, session_id) where session_id is not null;
create index orders_occurred_at on store.orders (site_id, occurred_at, order_id);

create table store.refunds (
  site_id integer not null,
  order_id text not null,
  refund_id text not null,
  occurred_at timestamptz not null,
  amount numeric not null,
  primary key (site_id, order_id, refund_id)
);

-- A person's part in the metrics of one day. Counts of persons over several days come from here, never from adding days.
create table store.person_days (
  site_id integer not null,
  person_id uuid not null,
  day date not null,
  channel text not null,
  source text not null,
  campaign text not null,
  device text not null,
  sessions integer not null,
  converting_sessions integer not null,
  conversions integer not null,
  orders integer not null,
  revenue numeric not null,
  refunded numeric not null,
  unconverted_orders integer not null,
  primary key (site_id, person_id, day, channel, source, campaign, device)
);
create index person_days_day on store.person_days (site_id, day, person_id);

create table store.day_metrics (
  site_id integer not null,
  day date not null,
  channel text not null,
  source text not null,
  campaign text not null,
  device text not null,
  sessions bigint not null,
  converting_sessions bigint not null,
  persons bigint not null,
  converting_persons bigint not null,
  conversions bigint not null,
  orders bigint not null,
  revenue numeric not null,
  refunded numeric not null,
  unconverted_orders bigint not null,
  person_row_count bigint not null, -- rows of person_days behind this one; without any, the row goes
  primary key (site_id, day, channel, source, campaign, device)
) with (fillfactor = 80);

-- Channel rules in order, first match wins; site_id 0 holds the shipped ones. A condition is null where it says nothing.
create table store.channel_rules (
  site_id integer not null,
  position smallint not null,
  channel text not null,
  sources text[],
  mediums text[],
  medium_pattern text,
  campaign_pattern text,
  source_category text,
  is_any boolean not null default false, -- true: one of the conditions is enough
  primary key (site_id, position)
);
create table store.source_categories (
  source text primary key,
  category text not null -- search, social, shopping, video, assistant, payment
);
