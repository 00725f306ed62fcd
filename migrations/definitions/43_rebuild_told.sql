-- The tables named without schema are found when a function runs, not when it is made.
set local check_function_bodies = off;

-- What a changed setting makes of where persons stand and of their carts, noted for the feed before it is written.
create or replace function store.note_rederived(site integer) returns void
language plpgsql
set enable_seqscan = on set enable_hashjoin = on set enable_mergejoin = on set plan_cache_mode = force_custom_plan
as $$
begin
  perform store.clear_work_tables();

  create temporary table at_hand_moved on commit drop as
  select coalesce(before.person_id, now.person_id) as person_id, before.stage, before.journey_number, before.since, before.furthest,
    now.transition_count as transition_count_now, now.furthest as furthest_now, now.since as since_now,
    (before.stage, before.journey_number, before.since) is distinct from (now.stage, now.journey_number, now.since) as is_elsewhere
  from (select persons.* from store.persons where persons.site_id = site) as before
  full join (select persons.* from rebuild.persons where persons.site_id = site) as now on now.person_id = before.person_id
  where (before.stage, before.journey_number, before.since) is distinct from (now.stage, now.journey_number, now.since);

  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select site, moved.person_id, 'stage.changed', coalesce(latest.transition_id, moved.person_id)::text,
    coalesce(latest.occurred_at, moved.since),
    case when moved.stage is not null then jsonb_build_object(
      'stage', moved.stage, 'furthest_stage', model_machines.stages[moved.furthest],
      'journey_number', moved.journey_number, 'since', moved.since) end,
    case when latest.transition_id is not null then jsonb_build_object(
      'stage', latest.to_stage, 'furthest_stage', model_machines.stages[moved.furthest_now],
      'journey_number', latest.journey_number, 'since', latest.occurred_at,
      'transition', store.transition_told(latest.transition)) end
  from at_hand_moved as moved
  join rebuild.sites on sites.site_id = site
  join store.model_machines
    on model_machines.model_name = sites.model_name and model_machines.version = sites.model_version
  left join lateral (
    select stage_transitions.*, row(stage_transitions.*)::store.stage_transitions as transition
    from rebuild.stage_transitions
    where stage_transitions.site_id = site and stage_transitions.person_id = moved.person_id
      and stage_transitions.transition_number = moved.transition_count_now
  ) as latest on true;

  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select site, corrected.person_id, 'transition.corrected', corrected.person_id::text, min(corrected.occurred_at),
    jsonb_agg(corrected.told order by corrected.transition_number) filter (where not corrected.is_now),
    jsonb_agg(corrected.told order by corrected.transition_number) filter (where corrected.is_now)
  from (
    select coalesce(before.person_id, now.person_id) as person_id, sides.is_now, sides.transition_number, sides.occurred_at, sides.told
    from (
      select stage_transitions.person_id, stage_transitions.transition_number, stage_transitions.occurred_at,
        store.transition_told(stage_transitions) as told
      from store.stage_transitions
      where stage_transitions.site_id = site
    ) as before
    full join (
      select stage_transitions.person_id, stage_transitions.transition_number, stage_transitions.occurred_at,
        store.transition_told(row(stage_transitions.*)::store.stage_transitions) as told
      from rebuild.stage_transitions
      where stage_transitions.site_id = site
    ) as now on now.person_id = before.person_id and now.told = before.told
    cross join lateral (
      select false as is_now, before.transition_number, before.occurred_at, before.told where before.person_id is not null
      union all
      select true, now.transition_number, now.occurred_at, now.told where now.person_id is not null
    ) as sides
    where before.person_id is null or now.person_id is null
  ) as corrected
  where corrected.person_id not in (select moved.person_id from at_hand_moved as moved)
  group by corrected.person_id;

  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select site, coalesce(now.person_id, before.person_id),
    case when now.state = 'recovered' and before.state is distinct from 'recovered' then 'cart.recovered' else 'cart.changed' end,
    coalesce(now.cart_key, before.cart_key)::text,
    greatest(now.last_activity_at, now.abandoned_at, now.closed_at,
      case when now.cart_key is null then before.last_activity_at end),
    before.told,
    now.told || case when now.state = 'recovered' then jsonb_build_object('trigger_id',
      store.recovering_trigger(site, now.cart_key, now.closed_at, (
        select sites.recovery_window from rebuild.sites where sites.site_id = site))) else '{}' end
  from (
    select carts.cart_key, carts.person_id, carts.state, carts.last_activity_at, store.cart_told(carts) as told
    from store.carts
    where carts.site_id = site
  ) as before
  full join (
    select carts.cart_key, carts.person_id, carts.state, carts.last_activity_at, carts.abandoned_at, carts.closed_at,
      store.cart_told(row(carts.*)::store.carts) as told
    from rebuild.carts
    where carts.site_id = site
  ) as now on now.cart_key = before.cart_key
  where before.told is distinct from now.told;
  drop table at_hand_moved;
end
$$;
