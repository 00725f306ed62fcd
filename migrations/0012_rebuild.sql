-- Deriving a site again behind its old answers: for `milepost rebuild`, and for a changed setting.

create table store.rederivations (
  site_id integer primary key,
  settings jsonb not null default '{}', -- by column of store.sites, what the site has once it is switched
  requested_at timestamptz not null default now(),
  phase text not null default 'waiting' check (phase in (
    'waiting', 'begun', 'listing', 'identities', 'persons', 'crowds', 'sums', 'catching_up', 'ready')),
  token uuid -- stands beside the rows made again too, in a table that a crash of PostgreSQL empties
);
comment on table store.rederivations is
  'One row per site that is being derived again, and how far it is; deleted when the site is switched to the new rows.';

-- Like the rows made again, empty after a crash of PostgreSQL: then they are begun anew.
create unlogged table store.rederivation_notes (
  site_id integer not null,
  kind text not null check (kind in ('identities', 'persons')),
  id uuid not null
);
comment on table store.rederivation_notes is
  'Whom live derivation touched while their site is being derived again: those are done once more.';
