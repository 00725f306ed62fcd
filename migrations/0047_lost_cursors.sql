-- A site that was restored from a backup goes on behind a gap in its feed: no cursor is given twice.
alter table store.feeds add column lost int8multirange not null default '{}';
comment on column store.feeds.lost is
  'Cursors that no change of this database has: some may have been told before it was restored from a backup.';
