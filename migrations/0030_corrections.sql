-- What somebody said by hand of identities is a log: a later word stands beside an earlier one, and counts.
alter table store.identity_corrections
  drop constraint identity_corrections_pkey,
  add column correction_id uuid not null default gen_random_uuid(),
  add primary key (site_id, correction_id);
create index identity_corrections_pair on store.identity_corrections (site_id, identity_id, other_id, corrected_at);
create index identity_corrections_other on store.identity_corrections (site_id, other_id);
comment on table store.identity_corrections is
  'One row per word said by hand of a pair of identities: merged or severed. The latest of a pair counts.';
