-- Changing a site's goals behind its old answers.

create table store.goal_changes (
  site_id integer primary key,
  goals jsonb not null, -- what they will be
  changed text[] not null, -- names of those that are new, or say something else than before
  gone text[] not null, -- names of those that are no more, or said something else
  events text[] not null, -- the events of the changed ones, but those that tell of orders
  is_about_orders boolean not null,
  position uuid not null default '00000000-0000-0000-0000-000000000000', -- the last touchpoint looked at
  is_noted boolean not null, -- all touchpoints were looked at
  begun_at timestamptz not null default now()
);
comment on table store.goal_changes is 'One row per site whose goals are being changed, and how far that is.';

create table store.next_goal_touchpoints (
  site_id integer not null,
  touchpoint_id uuid not null,
  primary key (site_id, touchpoint_id)
);
comment on table store.next_goal_touchpoints is
  'One row per touchpoint that may reach a goal that a site is changing to.';
