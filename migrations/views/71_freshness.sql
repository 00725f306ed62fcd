create view journey.freshness as
select
  clocks.site_id,
  names.name,
  clocks.as_of,
  clocks.newest_touchpoint_at,
  coalesce((
    select extract(epoch from clock_timestamp() - min(batches.stored_at))
    from store.batches
    where batches.site_id = clocks.site_id
  ), 0) as lag_seconds
from store.clocks
cross join unnest(array[
  'sessions', 'persons', 'identities', 'stage_transitions', 'current_stages', 'carts', 'abandoned_carts', 'orders',
  'conversions', 'conversion_metrics'
]) as names (name);

comment on view journey.freshness is
  'One row per derived thing and site: how far it is.';
comment on column journey.freshness.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.freshness.name is 'The derived thing.';
comment on column journey.freshness.as_of is 'The instant up to which timers have happened.';
comment on column journey.freshness.newest_touchpoint_at is 'The newest touchpoint derived.';
comment on column journey.freshness.lag_seconds is
  'Seconds since the oldest stored touchpoint that is not yet derived; 0 when nothing waits.';
