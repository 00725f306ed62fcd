-- The change feed (SEMANTICS 12). What stood before is noted while derivation is at work, compared with what stands after,
-- and published at its end, in one row a change.

-- Whether the derived tables in sight are the live ones, not the temporary twins of a rebuild: those tell nobody.
create or replace function store.is_live() returns boolean
language sql stable
return to_regclass('persons') = 'store.persons'::regclass;

-- Stable, as jsonb_build_object is: declared immutable it would not be inlined.
create or replace function store.transition_told(transition store.stage_transitions) returns jsonb
language sql stable
return jsonb_strip_nulls(jsonb_build_object(
  'transition_id', transition.transition_id, 'transition_number', transition.transition_number,
  'journey_number', transition.journey_number, 'from_stage', transition.from_stage, 'to_stage', transition.to_stage,
  'occurred_at', transition.occurred_at, 'cause', transition.cause, 'touchpoint_id', transition.touchpoint_id,
  'signal', transition.signal, 'rule', transition.rule, 'direction', transition.direction,
  'skipped_stages', to_jsonb(transition.skipped_stages), 'model_version', transition.model_version
));

-- The lines of a cart as everybody reads them: a list, in the order of the view.
create or replace function store.lines_told(lines jsonb) returns jsonb
language sql immutable
return coalesce((
  select jsonb_agg(entries.line order by entries.key)
  from jsonb_each(lines) as entries (key, line)
), '[]');

create or replace function store.cart_told(cart store.carts) returns jsonb
language sql stable
return jsonb_strip_nulls(jsonb_build_object(
  'cart_id', cart.cart_id, 'state', cart.state, 'last_activity_at', cart.last_activity_at, 'abandoned_at', cart.abandoned_at,
  'abandonment_count', cart.abandonment_count, 'furthest_step', cart.furthest_step, 'lines', store.lines_told(cart.lines),
  'item_count', cart.item_count, 'value', cart.value, 'currency', cart.currency, 'order_id', cart.order_id
));

-- Persons of whom anything may change, as they stood: whoever is replayed, or tells something of themselves.
create or replace function store.note_persons_before() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_persons_before
  select at_hand.site_id, at_hand.person_id, at_hand.user_id, at_hand.traits, at_hand.last_seen_at, transitions.told
  from (
    select work_persons.site_id, work_persons.person_id, work_persons.user_id, work_persons.traits, work_persons.last_seen_at,
      work_persons.is_replayed,
      case when work_persons.is_base_retained then 0 else work_persons.base_transition_count end as base_transition_count
    from work_persons
    left join (
      select distinct work_touchpoints.site_id, work_touchpoints.person_id
      from work_touchpoints
      where work_touchpoints.traits is not null
    ) as telling
      on telling.site_id = work_persons.site_id and telling.person_id = work_persons.person_id
    where work_persons.place is not null and (work_persons.is_replayed or telling.person_id is not null)
  ) as at_hand
  left join lateral (
    select coalesce(
      jsonb_agg(store.transition_told(stage_transitions) order by stage_transitions.transition_number), '[]') as told
    from stage_transitions
    where at_hand.is_replayed
      and stage_transitions.site_id = at_hand.site_id and stage_transitions.person_id = at_hand.person_id
      and stage_transitions.transition_number > at_hand.base_transition_count
    offset 0
  ) as transitions on at_hand.is_replayed;
end
$$;

-- Where somebody stands, told before persons are written: `stage.changed` where stage, journey or its instant are others,
-- `transition.corrected` where only the past is.
create or replace function store.note_stages() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  with moved as (
    select work_stages.site_id, work_stages.person_id, work_stages.transition_count, work_stages.furthest as furthest_now,
      work_persons.stage, work_persons.journey_number, work_persons.since, work_persons.furthest
    from work_persons
    join work_stages on work_stages.site_id = work_persons.site_id and work_stages.person_id = work_persons.person_id
    where work_persons.is_replayed or work_stages.move_count > 0
  )

  select moved.site_id, moved.person_id, 'stage.changed', coalesce(latest.transition_id, moved.person_id)::text,
    coalesce(latest.occurred_at, moved.since),
    case when moved.stage is not null then jsonb_build_object(
      'stage', moved.stage, 'furthest_stage', model_machines.stages[moved.furthest],
      'journey_number', moved.journey_number, 'since', moved.since) end,
    case when latest.transition_id is not null then jsonb_build_object(
      'stage', latest.to_stage, 'furthest_stage', model_machines.stages[moved.furthest_now],
      'journey_number', latest.journey_number, 'since', latest.occurred_at, 'transition', store.transition_told(latest)) end
  from moved
  join work_sites on work_sites.site_id = moved.site_id
  join store.model_machines
    on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version
  left join lateral (
    select stage_transitions.*
    from stage_transitions
    where stage_transitions.site_id = moved.site_id and stage_transitions.person_id = moved.person_id
      and stage_transitions.transition_number = moved.transition_count
    offset 0
  ) as latest on true
  where (moved.stage, moved.journey_number, moved.since)
    is distinct from (latest.to_stage, latest.journey_number, latest.occurred_at);

  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select corrected.site_id, corrected.person_id, 'transition.corrected', corrected.person_id::text,
    (select min((told.transition ->> 'occurred_at')::timestamptz)
      from jsonb_array_elements(coalesce(corrected.gone, '[]') || coalesce(corrected.come, '[]')) as told (transition)),
    corrected.gone, corrected.come
  from (
    select work_persons_before.site_id, work_persons_before.person_id,
      store.elements_missing(work_persons_before.transitions, now.transitions) as gone,
      store.elements_missing(now.transitions, work_persons_before.transitions) as come
    from work_persons_before
    join work_persons
      on work_persons.site_id = work_persons_before.site_id and work_persons.person_id = work_persons_before.person_id
    cross join lateral (
      select coalesce(
        jsonb_agg(store.transition_told(stage_transitions) order by stage_transitions.transition_number), '[]') as transitions
      from stage_transitions
      where stage_transitions.site_id = work_persons_before.site_id
        and stage_transitions.person_id = work_persons_before.person_id
        and stage_transitions.transition_number > work_persons.base_transition_count
      offset 0
    ) as now
    where work_persons_before.transitions is not null and work_persons_before.transitions is distinct from now.transitions
      and not exists (
        select from work_changes
        where work_changes.site_id = work_persons_before.site_id and work_changes.person_id = work_persons_before.person_id
          and work_changes.type = 'stage.changed'
      )
  ) as corrected;
end
$$;

-- The elements of one JSON array that another has not; null for none.
create or replace function store.elements_missing(elements jsonb, present jsonb) returns jsonb
language sql immutable
return (
  select jsonb_agg(listed.element order by listed.position)
  from jsonb_array_elements(elements) with ordinality as listed (element, position)
  where listed.element not in (select others.element from jsonb_array_elements(coalesce(present, '[]')) as others (element))
);

-- The carts that are about to be written, and all of whoever is replayed, as they stood.
create or replace function store.note_carts_before() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_carts_before
  select before.site_id, before.cart_key, before.person_id, before.state, before.last_activity_at, before.abandoned_at,
    before.abandonment_count, before.told
  from (
    select work_carts.site_id, (work_carts.cart).cart_key as cart_key, work_carts.person_id,
      carts.state, carts.last_activity_at, carts.abandoned_at, carts.abandonment_count, carts.told
    from work_carts
    left join lateral (
      select carts.state, carts.last_activity_at, carts.abandoned_at, carts.abandonment_count, store.cart_told(carts) as told
      from carts
      where carts.site_id = work_carts.site_id and carts.cart_key = (work_carts.cart).cart_key
      offset 0
    ) as carts on true
    union all
    select work_persons.site_id, carts.cart_key, work_persons.person_id,
      carts.state, carts.last_activity_at, carts.abandoned_at, carts.abandonment_count, carts.told
    from work_persons
    cross join lateral (
      select carts.cart_key, carts.state, carts.last_activity_at, carts.abandoned_at, carts.abandonment_count,
        store.cart_told(carts) as told
      from carts
      where carts.site_id = work_persons.site_id and carts.person_id = work_persons.person_id
        and (carts.last_activity_at, carts.last_sequence, carts.last_touchpoint_id)
          > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
      offset 0
    ) as carts
    where work_persons.is_replayed
      and not exists (
        select from work_carts
        where work_carts.site_id = work_persons.site_id and (work_carts.cart).cart_key = carts.cart_key
      )
  ) as before;
end
$$;

-- What became of them.
create or replace function store.note_carts() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select compared.site_id, compared.person_id,
    case when (compared.now).state = 'recovered' and compared.state_before is distinct from 'recovered' then 'cart.recovered'
      else 'cart.changed' end,
    compared.cart_key::text,
    greatest((compared.now).last_activity_at, (compared.now).abandoned_at, (compared.now).closed_at,
      case when compared.now is null then compared.last_activity_before end),
    compared.told_before,
    compared.told_now || case when (compared.now).state = 'recovered' then jsonb_build_object('trigger_id',
      store.recovering_trigger(compared.site_id, compared.cart_key, (compared.now).closed_at, (
        select work_sites.recovery_window from work_sites where work_sites.site_id = compared.site_id))) else '{}' end
  from (
    select work_carts_before.site_id, work_carts_before.cart_key,
      coalesce((carts.now).person_id, work_carts_before.person_id) as person_id, carts.now,
      work_carts_before.state as state_before, work_carts_before.last_activity_at as last_activity_before,
      work_carts_before.told as told_before,
      case when not (carts.now is null) then store.cart_told(carts.now) end as told_now
    from work_carts_before
    left join lateral (
      select carts as now
      from carts
      where carts.site_id = work_carts_before.site_id and carts.cart_key = work_carts_before.cart_key
      offset 0
    ) as carts on true
  ) as compared
  where compared.told_before is distinct from compared.told_now;
end
$$;

-- Orders placed and refunded, persons changed and merged, opinions given.
create or replace function store.note_rest() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select compared.site_id, compared.person_id, compared.type, compared.order_id, compared.occurred_at,
    case when compared.type = 'order.refunded' then jsonb_build_object('refunded', compared.refunded_before) end,
    jsonb_strip_nulls(jsonb_build_object('gross', compared.gross, 'refunded', compared.refunded,
      'net', compared.gross - compared.refunded, 'currency', compared.currency, 'source', compared.source,
      'channel', compared.channel, 'cart_id', compared.cart_id))
  from (
    select orders.*, coalesce(work_orders.refunded, 0) as refunded_before, types.type
    from work_orders
    cross join lateral (
      select orders.*
      from orders
      where orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
      offset 0
    ) as orders
    cross join lateral (
      select 'order.placed' as type where not work_orders.is_known
      union all
      select 'order.refunded' where orders.refunded is distinct from coalesce(work_orders.refunded, 0)
    ) as types
  ) as compared;

  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select work_persons_before.site_id, work_persons_before.person_id, 'person.changed', work_persons_before.person_id::text,
    persons.last_seen_at,
    jsonb_strip_nulls(jsonb_build_object('user_id', work_persons_before.user_id, 'traits', work_persons_before.traits)),
    jsonb_strip_nulls(jsonb_build_object('user_id', persons.user_id, 'traits', persons.traits))
  from work_persons_before
  cross join lateral (
    select persons.*
    from persons
    where persons.site_id = work_persons_before.site_id and persons.person_id = work_persons_before.person_id
    offset 0
  ) as persons
  where (persons.user_id, persons.traits) is distinct from (work_persons_before.user_id, work_persons_before.traits);

  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select work_persons_before.site_id, survivors.person_id, 'person.merged', work_persons_before.person_id::text,
    work_persons_before.last_seen_at,
    jsonb_build_object('from', work_persons_before.person_id), jsonb_build_object('into', survivors.person_id)
  from work_persons_before
  left join lateral (
    select true as is_there
    from persons
    where persons.site_id = work_persons_before.site_id and persons.person_id = work_persons_before.person_id
    offset 0
  ) as still on true
  cross join lateral (
    select identities.person_id
    from identities
    where identities.site_id = work_persons_before.site_id and identities.former_person_id = work_persons_before.person_id
    order by identities.identity_id
    limit 1
  ) as survivors
  where still.is_there is null;

  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select persons.site_id, persons.person_id, 'person.changed', persons.person_id::text, persons.last_seen_at,
    jsonb_build_object('merged_into', work_former_persons.survivor_id),
    jsonb_strip_nulls(jsonb_build_object('unmerged_from', work_former_persons.survivor_id,
      'user_id', persons.user_id, 'traits', persons.traits))
  from work_former_persons
  cross join lateral (
    select persons.*
    from persons
    where persons.site_id = work_former_persons.site_id and persons.person_id = work_former_persons.person_id
    offset 0
  ) as persons;

  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select work_touchpoints.site_id, work_touchpoints.person_id, 'feedback.received', work_touchpoints.touchpoint_id::text,
    work_touchpoints.occurred_at, null,
    jsonb_build_object('name', work_touchpoints.name) || coalesce(work_touchpoints.properties, '{}')
  from work_touchpoints
  where work_touchpoints.is_new and work_touchpoints.is_activity
    and work_touchpoints.name in ('survey_answered', 'review_submitted');
end
$$;

-- Writes what was noted into the feed: all of a person that ends in a merge, the merge, then the rest in the order of time.
-- Where all changes have one origin of their own, it is given.
drop function if exists store.publish_changes();
create or replace function store.publish_changes(the_origin text default null) returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  -- Of a person that is gone the merge alone is told; what became of their carts is told of whoever has them now.
  update work_changes
  set person_id = merge.person_id
  from work_changes as merge
  where merge.type = 'person.merged' and merge.site_id = work_changes.site_id
    and work_changes.person_id::text = merge.subject_id and work_changes.type in ('cart.changed', 'cart.recovered');
  delete from work_changes
  using work_changes as merge
  where merge.type = 'person.merged' and merge.site_id = work_changes.site_id
    and work_changes.person_id::text = merge.subject_id;

  with counted as materialized (
    select work_changes.site_id, count(*) as change_count from work_changes group by work_changes.site_id
  ),

  feeds as (
    insert into store.feeds (site_id, last_cursor)
    select counted.site_id, counted.change_count from counted order by counted.site_id
    on conflict (site_id) do update set last_cursor = feeds.last_cursor + excluded.last_cursor
    returning feeds.site_id, feeds.last_cursor
  )

  insert into store.changes (site_id, cursor, type, person_id, subject_id, occurred_at, origin, before, after)
  select work_changes.site_id,
    feeds.last_cursor - counted.change_count + row_number() over (
      partition by work_changes.site_id
      order by work_changes.type <> 'person.merged', work_changes.before ? 'merged_into' is not true,
        work_changes.occurred_at, work_changes.subject_id, work_changes.type
    ),
    work_changes.type, work_changes.person_id, work_changes.subject_id, work_changes.occurred_at,
    case
      when the_origin is not null then the_origin
      when exists (select from work_link_changes where work_link_changes.is_corrected) then 'merge'
      when imported.person_id is not null or exists (select from work_conversions) then 'import'
      when merged.person_id is not null then 'merge'
      when work_persons.is_replayed then 'late'
      else 'live'
    end,
    work_changes.before, work_changes.after
  from work_changes
  join counted on counted.site_id = work_changes.site_id
  join feeds on feeds.site_id = work_changes.site_id
  left join work_persons
    on work_persons.site_id = work_changes.site_id and work_persons.person_id = work_changes.person_id
  left join (
    select distinct merges.site_id, merges.person_id from work_changes as merges where merges.type = 'person.merged'
  ) as merged on merged.site_id = work_changes.site_id and merged.person_id = work_changes.person_id
  -- persons of whom everything new was imported
  left join (
    select work_touchpoints.site_id, work_touchpoints.person_id
    from work_touchpoints
    left join work_imports
      on work_imports.site_id = work_touchpoints.site_id and work_imports.batch_id = work_touchpoints.batch_id
    where work_touchpoints.is_new and exists (select from work_imports)
    group by work_touchpoints.site_id, work_touchpoints.person_id
    having bool_and(work_imports.batch_id is not null)
  ) as imported on imported.site_id = work_changes.site_id and imported.person_id = work_changes.person_id;
end
$$;

-- Publishes one change from outside of derivation. Answers its cursor.
create or replace function store.publish_change(
  site integer, type text, person uuid, subject_id text, occurred_at timestamptz, origin text, before jsonb, after jsonb
) returns bigint
language plpgsql
as $$
declare
  the_cursor bigint;
begin
  insert into store.feeds (site_id, last_cursor) values (site, 1)
  on conflict (site_id) do update set last_cursor = feeds.last_cursor + 1
  returning last_cursor into the_cursor;
  insert into store.changes (site_id, cursor, type, person_id, subject_id, occurred_at, origin, before, after)
  values (site, the_cursor, publish_change.type, person, publish_change.subject_id, publish_change.occurred_at,
    publish_change.origin, publish_change.before, publish_change.after);
  return the_cursor;
end
$$;

-- A place in a feed, or, where no change of this database can be (after a restore), the end of that stretch.
create or replace function store.past_lost(place bigint, lost int8multirange) returns bigint
language sql immutable parallel safe
return coalesce((select upper(stretches.stretch) from unnest(lost) as stretches (stretch) where stretches.stretch @> place), place);

-- Drops changes older than the site keeps them, at most `row_limit` a call. Answers how many.
create or replace function store.drop_old_changes(now timestamptz, row_limit integer) returns bigint
language plpgsql
as $$
declare
  old record;
  dropped bigint := 0;
begin
  for old in
    select feeds.site_id, sites.changes_kept, feeds.dropped_cursor,
      -- where the oldest change is that may be there: what is left before a gap goes first
      greatest(feeds.dropped_cursor, store.past_lost(feeds.dropped_cursor + 1, feeds.lost) - 1) as begins_at
    from store.feeds
    join store.sites on sites.site_id = feeds.site_id
  loop
    -- recorded_at grows with the cursor, so the oldest come first
    with gone as (
      delete from store.changes
      where changes.site_id = old.site_id and changes.cursor > old.dropped_cursor
        and changes.cursor <= old.begins_at + row_limit and changes.recorded_at < now - old.changes_kept
      returning changes.cursor
    ),

    counted as (select count(*) as gone_count, max(gone.cursor) as last_gone from gone),

    marked as (
      update store.feeds
      set dropped_cursor = counted.last_gone
      from counted
      where feeds.site_id = old.site_id and counted.last_gone is not null
    )

    select dropped + counted.gone_count into dropped from counted;
  end loop;
  return dropped;
end
$$;
