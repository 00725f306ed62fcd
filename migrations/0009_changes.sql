-- The change feed (SEMANTICS 12): a log of what derivation changed. Never rebuilt; dropped by age from its beginning.
create table store.changes (
  site_id integer not null,
  cursor bigint not null, -- counts up by one within a site, in the order of commits
  type text not null,
  person_id uuid,
  subject_id text not null,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null default clock_timestamp(),
  origin text not null check (origin in ('live', 'late', 'merge', 'import', 'model', 'settings', 'erasure')),
  before jsonb,
  after jsonb,
  primary key (site_id, cursor)
);
create index changes_person on store.changes (site_id, person_id, cursor) where person_id is not null;
comment on table store.changes is 'One row per change of something derived, in an order that every consumer sees alike.';

-- Who writes changes locks this row until commit, so cursors have no gaps and nobody sees a later one first.
create table store.feeds (
  site_id integer primary key,
  last_cursor bigint not null,
  dropped_cursor bigint not null default 0 -- everything up to here was dropped by age
) with (fillfactor = 50);

alter table store.sites add column changes_kept interval not null default interval '90 days';
