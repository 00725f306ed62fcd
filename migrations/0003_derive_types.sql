-- What the folds of derivation carry from one touchpoint to the next.

create type store.traffic as (
  channel text, source text, medium text, campaign text, term text, content text
);

create type store.session_state as (
  session_id uuid, started_at timestamptz, last_at timestamptz, person_id uuid, campaign text
);

create type store.stage_move as (
  transition_number integer, journey_number integer, from_stage smallint, to_stage smallint, moved_at timestamptz,
  touchpoint_id uuid, cause text, signal smallint, rule text, seconds double precision
);

-- `moves` holds what this run adds; the rest is what the person row keeps.
create type store.stage_state as (
  state smallint, furthest smallint, since timestamptz, journey_number integer, last_signal_at timestamptz,
  transition_count integer, last_timer_at timestamptz, moves store.stage_move[]
);

create type store.cart_state as (
  cart_key uuid, cart_id text, state text, opened_at timestamptz, last_activity_at timestamptz,
  last_sequence bigint, last_touchpoint_id uuid, abandoned_at timestamptz, first_abandoned_at timestamptz,
  abandonment_count integer, furthest_step smallint, lines jsonb,
  currency text, recovery_url text, order_id text, closed_at timestamptz
);

alter table store.persons add column last_timer_at timestamptz;
comment on column store.persons.last_timer_at is
  'The latest instant at which a timer of this person fired: a touchpoint before it arrives late.';
alter table store.orders
  add column first_sequence bigint not null,
  add column first_touchpoint_id uuid not null,
  add column cart_id text;
comment on column store.orders.first_touchpoint_id is 'Its earliest touchpoint, whoever''s: the order''s place in time.';
create index orders_cart on store.orders (site_id, cart_id) where cart_id is not null;

-- The order within a person (SEMANTICS 2).
create type store.order_key as (at timestamptz, sequence bigint, touchpoint_id uuid);
