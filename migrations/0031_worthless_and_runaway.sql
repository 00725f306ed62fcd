-- Ids that a site knows to be nobody's, and persons who do more than a human can.
alter table store.sites
  add column worthless_ids text[] not null default '{}';
comment on column store.sites.worthless_ids is
  'Ids that are nobody''s beside the shipped ones; lower case and trimmed.';

alter table store.sites
  add column runaway_limit integer not null default 10000 check (runaway_limit > 0);
comment on column store.sites.runaway_limit is
  'Whoever has more touchpoints than that within 24 hours is no human: flagged, and gives no signal.';

alter table store.persons
  add column touchpoint_count integer not null default 0,
  add column runaway_at timestamptz;
comment on column store.persons.touchpoint_count is 'How many touchpoints were derived, since those kept by retention.';
comment on column store.persons.runaway_at is 'The touchpoint that was first one too many within 24 hours; null for a human.';
create index persons_runaway on store.persons (site_id) where runaway_at is not null;

alter table store.checkpoints
  add column touchpoint_count integer not null default 0,
  add column runaway_at timestamptz;
alter table store.retained_persons add column runaway_at timestamptz;

-- What was derived before did not count.
insert into store.rederivations (site_id)
select sites.site_id
from store.sites
where exists (select from store.persons where persons.site_id = sites.site_id)
on conflict do nothing;
