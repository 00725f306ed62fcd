-- Derivation: one transaction takes what waits, works out whom it touches, and runs every definition for them.

-- A young table has no statistics, and the planner takes any index for as good as another. Analyses the tables that
-- derivation reads by key and that have doubled since they were last looked at; forced, all derived tables in sight.
create or replace function store.analyze_young_tables(is_forced boolean) returns void
language plpgsql
set default_statistics_target = 10
as $$
declare
  young record;
begin
  for young in
    select tables.place::regclass as place
    from (
      select to_regclass(names.name)::oid as place, is_forced as is_due
      from unnest(array['identities', 'identity_links', 'identity_sightings', 'identity_assignments', 'persons', 'checkpoints',
        'sessions', 'stage_transitions', 'carts', 'cart_holders', 'cart_triggers', 'order_touchpoints', 'orders', 'refunds',
        'conversions', 'person_days', 'day_metrics', 'stage_days', 'stage_lengths', 'accounts', 'account_members']) as names (name)
      union all
      select pg_inherits.inhrelid, false
      from pg_inherits
      where pg_inherits.inhparent = 'store.touchpoints'::regclass
    ) as tables
    join pg_class on pg_class.oid = tables.place
    where tables.is_due or pg_stat_get_live_tuples(pg_class.oid) > 2 * greatest(pg_class.reltuples, 0) + 50
  loop
    execute format('analyze %s', young.place);
  end loop;
end
$$;

-- Runs every definition but the identities' for the persons marked at hand.
create or replace function store.derive_marked_persons() returns void
language plpgsql
as $$
declare
  is_told boolean := store.is_live();
  flipped_sites integer[];
  flipped_persons uuid[];
begin
  perform store.load_replays();
  perform store.derive_order_touchpoints();
  perform store.collect_work_orders();
  perform store.derive_orders();
  perform store.mark_by_orders();
  perform store.load_replays();
  perform store.derive_cart_holders();
  -- Whoever an order or a cart id drew in brings their past along, and with it their own orders.
  perform store.load_replays();
  perform store.collect_work_orders();
  perform store.derive_refunds();

  perform store.look_up_persons();
  if is_told then
    perform store.note_persons_before();
  end if;
  perform store.derive_sessions();
  perform store.derive_order_sessions();
  perform store.derive_conversions();
  perform store.derive_carts();
  if is_told then
    perform store.derive_triggers();
  end if;
  perform store.derive_stages();
  if is_told then
    perform store.note_stages();
  end if;
  perform store.delete_empty_persons();
  perform store.derive_persons();
  select runaways.* into flipped_sites, flipped_persons from store.derive_runaways() as runaways;
  perform store.derive_purchases();
  perform store.derive_accounts();
  perform store.derive_metrics();
  perform store.derive_stage_metrics();
  if is_told then
    perform store.note_rest();
    perform store.publish_changes();
    perform store.note_for_rederivation();
  end if;
  perform store.keep_checkpoints();
  perform store.keep_checkpoints_on_the_way();

  -- Whoever is found to be no human, or a human after all, has other stages from the beginning.
  if flipped_persons is not null then
    perform store.clear_work_tables();
    perform store.load_work_sites(flipped_sites);
    perform store.mark_replayed(flipped_sites, flipped_persons);
    perform store.derive_marked_persons();
  end if;
end
$$;

-- Runs the definitions for what is on the workbench: new touchpoints, and persons marked for a timer or a replay.
create or replace function store.derive_work() returns void
language plpgsql
as $$
begin
  perform store.derive_identities();
  perform store.resolve_work_touchpoints();
  perform store.derive_account_facts();
  perform store.mark_persons();
  perform store.derive_marked_persons();
end
$$;

-- Derivers work side by side, each on other sites: a site is one deriver's until its transaction ends. A rebuild, which is
-- about all sites, waits for all of them and keeps them out.
create or replace function store.try_site(site integer) returns boolean
language plpgsql
as $$
begin
  perform pg_advisory_xact_lock_shared(hashtext('milepost.derive'));
  return pg_try_advisory_xact_lock(hashtext('milepost.derive.site'), site);
end
$$;

create or replace function store.lock_site(site integer) returns void
language plpgsql
as $$
begin
  perform pg_advisory_xact_lock_shared(hashtext('milepost.derive'));
  perform pg_advisory_xact_lock(hashtext('milepost.derive.site'), site);
end
$$;

drop function if exists store.derive_batches(integer);

-- Derives the oldest waiting batches, about `touchpoint_limit` touchpoints of them, if at least `least_waiting` wait at
-- sites where no other deriver is at work. Answers how many touchpoints were taken, 0 when too few wait. With a
-- `least_waiting` of 1 it waits for the other deriver where that is at work on every site that waits.
create or replace function store.derive_batches(touchpoint_limit integer, least_waiting integer) returns integer
language plpgsql
as $$
declare
  waiting record;
  free_sites integer[] := '{}';
  free_count bigint := 0;
  first_site integer;
  taken integer := 0;
begin
  for waiting in
    select batches.site_id, sum(cardinality(batches.touchpoint_ids)) as touchpoint_count
    from store.batches
    join store.sites on sites.site_id = batches.site_id -- what still comes for a deleted site is removed, not derived
    group by batches.site_id
    order by min(batches.stored_at), batches.site_id
  loop
    first_site := coalesce(first_site, waiting.site_id);
    if store.try_site(waiting.site_id) then
      free_sites := free_sites || waiting.site_id;
      free_count := free_count + waiting.touchpoint_count;
      exit when free_count >= greatest(touchpoint_limit, least_waiting);
    end if;
  end loop;

  if free_count = 0 and first_site is not null and least_waiting <= 1 then
    perform store.lock_site(first_site);
    free_sites := array[first_site];
  elsif free_count < least_waiting then
    return 0;
  end if;

  perform store.clear_work_tables();
  for site_index in 1 .. cardinality(free_sites) loop
    taken := taken + store.take_batches(free_sites[site_index], touchpoint_limit - taken);
    exit when taken >= touchpoint_limit;
  end loop;
  if taken > 0 then
    perform store.note_newest_touchpoints();
    perform store.derive_work();
  end if;
  return taken;
end
$$;

create or replace function store.note_newest_touchpoints() returns void
language plpgsql
as $$
begin
  insert into clocks (site_id, as_of, newest_touchpoint_at)
  select work_touchpoints.site_id, '-infinity', max(work_touchpoints.occurred_at)
  from work_touchpoints
  group by work_touchpoints.site_id
  on conflict (site_id) do update set newest_touchpoint_at = greatest(clocks.newest_touchpoint_at, excluded.newest_touchpoint_at);
end
$$;

-- Puts a site's oldest waiting batches on the workbench. Answers how many touchpoints they hold.
create or replace function store.take_batches(site integer, touchpoint_limit integer) returns integer
language plpgsql
as $$
declare
  taken_touchpoints uuid[];
begin
  if not exists (select from store.sites where sites.site_id = site) then
    return 0; -- deleted since it was found waiting
  end if;
  with waiting as (
    select batches.batch_id, sum(cardinality(batches.touchpoint_ids)) over (order by batches.batch_id) - cardinality(batches.touchpoint_ids) as before
    from (
      select batches.batch_id, batches.touchpoint_ids
      from store.batches
      where batches.site_id = take_batches.site
      order by batches.batch_id
      limit 256
    ) as batches
  ),

  taken as (
    delete from store.batches
    using waiting
    where batches.site_id = take_batches.site and batches.batch_id = waiting.batch_id and waiting.before < touchpoint_limit
    returning batches.batch_id, batches.origin, batches.touchpoint_ids
  ),

  imports as (
    insert into work_imports
    select take_batches.site, taken.batch_id from taken where taken.origin = 'import'
  )

  select array_agg(unnested.touchpoint_id) into taken_touchpoints
  from taken
  cross join lateral unnest(taken.touchpoint_ids) as unnested (touchpoint_id);

  if taken_touchpoints is null then
    return 0;
  end if;
  perform store.load_work_sites(array[site]);
  perform store.load_new_touchpoints(site, taken_touchpoints);

  return cardinality(taken_touchpoints);
end
$$;

drop function if exists store.advance_clock(integer, timestamptz, integer);

-- Moves a site's clock towards `target`, letting the timers due on the way fire; at most about `person_limit` persons a
-- call. Answers the instant reached: the same for every row of the site, so that all views speak of one `as_of`.
create or replace function store.advance_clock(site integer, target timestamptz, person_limit integer, is_patient boolean)
returns timestamptz
language plpgsql
as $$
declare
  reached timestamptz := target;
  browsers uuid[];
begin
  if is_patient then
    perform store.lock_site(site);
  elsif not store.try_site(site) then
    return target; -- another deriver has the site; its clock is moved a moment later
  end if;
  if exists (select from clocks where clocks.site_id = site and clocks.as_of >= target) then
    return target;
  end if;

  select due.next_due_at into reached
  from (
    select persons.next_due_at
    from persons
    where persons.site_id = site and persons.next_due_at <= target
    order by persons.next_due_at
    offset person_limit - 1
    limit 1
  ) as due;
  reached := coalesce(reached, target);

  insert into clocks (site_id, as_of) values (site, reached)
  on conflict (site_id) do update set as_of = excluded.as_of;

  -- Mostly nothing is due, and the workbench is not touched: whoever touches it empties it.
  if exists (select from persons where persons.site_id = site and persons.next_due_at <= reached) then
    perform store.clear_work_tables();
    perform store.load_work_sites(array[site]);
    insert into work_persons (site_id, person_id, is_replayed)
    select persons.site_id, persons.person_id, false
    from persons
    where persons.site_id = site and persons.next_due_at <= reached;
    browsers := store.browse_candidates(site, reached);
    perform store.derive_work();
    if browsers is not null then
      perform store.arm_browse_triggers(site, browsers);
    end if;
  end if;
  return reached;
end
$$;
