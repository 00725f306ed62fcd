-- Autovacuum analyses a growing table about once a minute. Nobody filters by what is inside wide columns, and sampling
-- them was most of that work; of the rest a small sample does, since every look-up goes by key or by time.
create or replace function store.limit_statistics(place regclass) returns void
language plpgsql
as $$
declare
  target record;
begin
  for target in
    select attributes.attname as name, attributes.atttypid in ('jsonb'::regtype, 'text[]'::regtype) as is_wide
    from pg_attribute as attributes
    where attributes.attrelid = place and attributes.attnum > 0 and not attributes.attisdropped
  loop
    execute format('alter table %s alter column %I set statistics %s', place, target.name,
      case when target.is_wide then 0 else 20 end);
  end loop;
end
$$;

select store.limit_statistics(tables.name::regclass)
from unnest(array['store.touchpoints', 'store.touchpoints_default', 'store.identities', 'store.persons', 'store.sessions',
  'store.stage_transitions', 'store.carts', 'store.cart_holders', 'store.order_touchpoints', 'store.orders', 'store.refunds',
  'store.person_days', 'store.day_metrics']) as tables (name);

-- Months of the id are made ahead, so that a touchpoint always finds its partition; ids without a time, or of a month
-- outside the window, live in the default partition.

create or replace function store.make_partition(month timestamptz) returns void
language plpgsql
as $$
declare
  partition_name text := 'touchpoints_' || to_char(month at time zone 'UTC', 'YYYY_MM');
  lower_bound uuid := store.uuid_bound(month);
  upper_bound uuid := store.uuid_bound(month + interval '1 month');
begin
  if to_regclass('store.' || partition_name) is not null then
    return;
  end if;
  execute format('create table store.%I (like store.touchpoints including defaults including constraints)', partition_name);
  perform store.limit_statistics(format('store.%I', partition_name)::regclass);
  -- A client whose clock runs ahead may have filled the default partition with ids of this month: they move over.
  execute format(
    'with moved as (delete from store.touchpoints_default where touchpoint_id >= %L and touchpoint_id < %L returning touchpoints_default.*)
     insert into store.%I select moved.* from moved', lower_bound, upper_bound, partition_name);
  execute format('alter table store.touchpoints attach partition store.%I for values from (%L) to (%L)',
    partition_name, lower_bound, upper_bound);
end
$$;

create or replace function store.make_partitions(now timestamptz) returns integer
language plpgsql
set timezone = 'UTC'
as $$
declare
  month timestamptz;
  made integer := 0;
begin
  -- One maker at a time: two would both find the partition missing.
  perform pg_advisory_xact_lock(hashtext('milepost.partitions'));
  for month in
    select months.month
    from generate_series(date_trunc('month', now) - interval '1 month', date_trunc('month', now) + interval '3 months',
      interval '1 month') as months (month)
    where to_regclass('store.touchpoints_' || to_char(months.month, 'YYYY_MM')) is null
  loop
    perform store.make_partition(month);
    made := made + 1;
  end loop;
  return made;
end
$$;
comment on function store.make_partitions(timestamptz) is
  'Makes the monthly partitions from the month before `now` to 3 months after it that are missing; answers how many.';

-- Drops the partitions of months that every site with rows in them has dropped. What is kept of those moves to the default
-- partition. A partition that is being read is left for the next time.
create or replace function store.drop_old_partitions() returns integer
language plpgsql
set timezone = 'UTC' set lock_timeout = '2s' set enable_seqscan = on
as $$
declare
  partition record;
  is_wanted boolean;
  dropped integer := 0;
begin
  perform pg_advisory_xact_lock(hashtext('milepost.partitions'));
  for partition in
    select pg_class.oid::regclass as place, pg_class.relname,
      to_date(right(pg_class.relname, 7), 'YYYY_MM') + interval '1 month' as upper_bound
    from pg_inherits
    join pg_class on pg_class.oid = pg_inherits.inhrelid
    where pg_inherits.inhparent = 'store.touchpoints'::regclass and pg_class.relname ~ '^touchpoints_\d{4}_\d\d$'
    order by pg_class.relname
  loop
    continue when partition.upper_bound > (select max(sites.retained_from) from store.sites);
    execute format(
      'select exists (
         select from store.sites
         where sites.retained_from < $1 and exists (select from %s as rows where rows.site_id = sites.site_id)
       )', partition.place)
    into is_wanted using partition.upper_bound::timestamptz;
    continue when is_wanted;
    begin
      execute format('alter table store.touchpoints detach partition %s', partition.place);
      execute format('insert into store.touchpoints_default select * from store.%I', partition.relname);
      execute format('drop table store.%I', partition.relname);
      dropped := dropped + 1;
    exception when lock_not_available then
      null;
    end;
  end loop;
  return dropped;
end
$$;
comment on function store.drop_old_partitions() is
  'Drops the monthly partitions that no site keeps whole any more; answers how many. What is left of them moves.';
drop function if exists store.drop_empty_partitions(timestamptz);
