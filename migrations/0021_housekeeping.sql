-- What housekeeping drops by age, and how often tables that change all the time are vacuumed.

alter table store.sites
  add column rejected_kept interval not null default interval '30 days',
  add column counters_kept interval not null default interval '9600 hours'; -- 400 days
comment on column store.sites.rejected_kept is 'How long rejected events are kept, with what they were.';
comment on column store.sites.counters_kept is 'How long the counts of a day are kept.';

-- Each of these rows changes many times. Vacuumed after a fifth of a table of millions, as is the default, its dead rows
-- would come to a gigabyte, and one vacuum to minutes: so little by little.
alter table store.persons set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
alter table store.identities set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
alter table store.sessions set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
alter table store.carts set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
alter table store.person_days set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
alter table store.account_members set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
-- Dropped from the beginning, filled at the end.
alter table store.changes set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);

-- Queues and clocks hold next to nothing, but what is dead in them: done at once, without pauses.
alter table store.batches set (autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
alter table store.collectors set (autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
alter table store.clocks set (autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
alter table store.feeds set (autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
