-- Late touchpoints are derived again from their instant on: of long histories the state is kept every so often.

-- Where a person stood right after a touchpoint. Derived, but bookkeeping: where checkpoints stand depends on how
-- touchpoints arrived, and what follows from them does not.
create table store.checkpoints (
  site_id integer not null,
  person_id uuid not null,
  -- the last touchpoint that it knows of
  last_seen_at timestamptz not null,
  last_sequence bigint not null,
  last_touchpoint_id uuid not null,
  valid_from timestamptz not null, -- good for what changes after this: no timer that fired in it is later
  state smallint,
  furthest smallint,
  since timestamptz,
  journey_number integer,
  last_signal_at timestamptz,
  transition_count integer not null,
  last_timer_at timestamptz,
  held_until timestamptz,
  overridden_at timestamptz,
  entered_stages integer not null,
  product_seen_at timestamptz,
  first_channel text,
  traits jsonb,
  carts jsonb, -- those open or abandoned, as the fold of carts carries them
  primary key (site_id, person_id, last_seen_at, last_sequence, last_touchpoint_id)
);
comment on table store.checkpoints is
  'Where persons with long histories stood, about every 200 touchpoints. A late touchpoint is derived from there on.';

alter table store.persons add column unkept_count integer;
comment on column store.persons.unkept_count is 'Touchpoints since the last checkpoint; null for none yet.';

-- A person's live carts and latest orders are found without reading all they ever had.
create index carts_live on store.carts (site_id, person_id) where state in ('open', 'abandoned');
create index orders_person_time on store.orders (site_id, person_id, occurred_at);
drop index store.orders_person;
create index orders_person_refunded on store.orders (site_id, person_id) where refunded > 0;
