-- Changing a site's goals behind its old answers: touchpoints that may reach the new ones are noted step by step while
-- traffic goes on, those that come meanwhile too; then what reached the old goals goes and what reaches the new ones comes,
-- in one transaction.

-- Begins to change a site's goals; forgets a change that was under way. Answers whether there is anything to change.
create or replace function store.begin_goal_change(site integer, goals jsonb) returns boolean
language plpgsql
as $$
declare
  present jsonb;
  the_changed text[];
  the_gone text[];
  the_events text[];
begin
  perform pg_advisory_xact_lock(hashtext('milepost.goals'), site);
  delete from store.next_goal_touchpoints where next_goal_touchpoints.site_id = site;
  delete from store.goal_changes where goal_changes.site_id = site;
  select sites.goals into strict present from store.sites where sites.site_id = site;

  select array_agg(wanted.goal ->> 'name'),
    array_agg(distinct wanted.goal ->> 'event')
      filter (where wanted.goal ->> 'event' not in ('purchase', 'subscription_started'))
  into the_changed, the_events
  from jsonb_array_elements(begin_goal_change.goals) as wanted (goal)
  where wanted.goal not in (select jsonb_array_elements(present));

  select array_agg(known.goal ->> 'name') into the_gone
  from jsonb_array_elements(present) as known (goal)
  where known.goal not in (select jsonb_array_elements(begin_goal_change.goals));

  if the_changed is null and the_gone is null then
    return false;
  end if;
  insert into store.goal_changes (site_id, goals, changed, gone, events, is_about_orders, is_noted)
  select site, begin_goal_change.goals, coalesce(the_changed, '{}'), coalesce(the_gone, '{}'), coalesce(the_events, '{}'),
    'purchase' = any (coalesce(the_gone, '{}')) or exists (
      select from jsonb_array_elements(begin_goal_change.goals) as wanted (goal)
      where wanted.goal ->> 'name' = any (the_changed) and wanted.goal ->> 'event' in ('purchase', 'subscription_started')
    ),
    the_events is null;
  return true;
end
$$;

-- Notes the new touchpoints on the workbench that may reach a goal their site is changing to.
create or replace function store.note_next_goals() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  if exists (select from store.goal_changes) and store.is_live() then
    insert into store.next_goal_touchpoints
    select work_touchpoints.site_id, work_touchpoints.touchpoint_id
    from work_touchpoints
    join store.goal_changes on goal_changes.site_id = work_touchpoints.site_id
    where work_touchpoints.is_new and work_touchpoints.is_activity and work_touchpoints.name = any (goal_changes.events)
    on conflict do nothing;
  end if;
end
$$;

-- One step of a change of goals: looks at up to `row_limit` touchpoints, or switches when all were looked at. Sites that
-- another deriver is at work on are left for later, unless this one `is_patient`. Answers whether there was anything to do.
create or replace function store.derive_goal_changes(row_limit integer, is_patient boolean) returns boolean
language plpgsql
as $$
declare
  change record;
  at_hand store.goal_changes;
begin
  for change in select goal_changes.site_id from store.goal_changes order by goal_changes.begun_at, goal_changes.site_id loop
    if is_patient then
      perform pg_advisory_xact_lock(hashtext('milepost.goals'), change.site_id);
    elsif not pg_try_advisory_xact_lock(hashtext('milepost.goals'), change.site_id) then
      continue;
    end if;
    select goal_changes.* into at_hand from store.goal_changes where goal_changes.site_id = change.site_id;
    if not found then
      continue; -- another deriver has done it
    elsif not at_hand.is_noted then
      perform store.look_for_goals(at_hand, row_limit);
      return true;
    end if;
    if is_patient then
      perform store.lock_site(change.site_id);
    elsif not store.try_site(change.site_id) then
      continue;
    end if;
    perform store.switch_goals(at_hand, row_limit);
    return true;
  end loop;
  return false;
end
$$;

-- Looks at some more of the touchpoints that were there when the change began.
create or replace function store.look_for_goals(change store.goal_changes, row_limit integer) returns void
language plpgsql
as $$
declare
  looked_at record;
begin
  with at_hand as materialized (
    select touchpoints.touchpoint_id, touchpoints.name, touchpoints.type, touchpoints.bot_reason, touchpoints.internal_reason
    from store.touchpoints
    where touchpoints.site_id = change.site_id and touchpoints.touchpoint_id > change.position
    order by touchpoints.touchpoint_id
    limit row_limit
  ),

  noted as (
    insert into store.next_goal_touchpoints
    select change.site_id, at_hand.touchpoint_id
    from at_hand
    where at_hand.name = any (change.events) and at_hand.type not in ('identify', 'group', 'alias')
      and at_hand.bot_reason is null and at_hand.internal_reason is null
    on conflict do nothing
  )

  select count(*) as row_count, (array_agg(at_hand.touchpoint_id order by at_hand.touchpoint_id desc))[1] as last_id
  into looked_at
  from at_hand;

  update store.goal_changes
  set position = coalesce(looked_at.last_id, goal_changes.position), is_noted = looked_at.row_count < row_limit
  where goal_changes.site_id = change.site_id;
end
$$;

-- From now on the site has its new goals. The site's lock is held.
create or replace function store.switch_goals(change store.goal_changes, row_limit integer) returns void
language plpgsql
as $$
declare
  at_hand uuid[];
  orders_at_hand text[];
  last_id uuid := '00000000-0000-0000-0000-000000000000';
  last_order text := '';
begin
  update store.sites set goals = change.goals where sites.site_id = change.site_id;

  -- What reached the goals that are no more.
  loop
    at_hand := array(
      select conversions.conversion_id
      from conversions
      where conversions.site_id = change.site_id and conversions.conversion_id > last_id
      order by conversions.conversion_id
      limit row_limit
    );
    exit when cardinality(at_hand) = 0 or cardinality(change.gone) = 0;
    last_id := at_hand[cardinality(at_hand)];
    perform store.truncate_work_tables();
    perform store.load_work_sites(array[change.site_id]);
    perform store.forget_conversions(change.site_id, at_hand, change.gone);
    perform store.derive_metrics();
  end loop;

  -- What touchpoints reach; those of batches still waiting come with their own batch.
  last_id := '00000000-0000-0000-0000-000000000000';
  loop
    at_hand := array(
      select next_goal_touchpoints.touchpoint_id
      from store.next_goal_touchpoints
      where next_goal_touchpoints.site_id = change.site_id and next_goal_touchpoints.touchpoint_id > last_id
      order by next_goal_touchpoints.touchpoint_id
      limit row_limit
    );
    exit when cardinality(at_hand) = 0;
    last_id := at_hand[cardinality(at_hand)];
    perform store.truncate_work_tables();
    perform store.load_work_sites(array[change.site_id]);
    perform store.load_new_touchpoints(change.site_id, at_hand);
    delete from work_touchpoints
    where (work_touchpoints.site_id, work_touchpoints.batch_id) in (select batches.site_id, batches.batch_id from store.batches);
    perform store.load_work_goals();
    delete from work_goals where work_goals.goal <> all (change.changed);
    perform store.reach_goals_by_touchpoints();
    perform store.store_conversions();
    perform store.derive_metrics();
  end loop;

  -- What orders reach, and whether they are conversions themselves.
  loop
    exit when not change.is_about_orders;
    orders_at_hand := array(
      select orders.order_id
      from orders
      where orders.site_id = change.site_id and orders.order_id > last_order
      order by orders.order_id
      limit row_limit
    );
    exit when cardinality(orders_at_hand) = 0;
    last_order := orders_at_hand[cardinality(orders_at_hand)];
    perform store.truncate_work_tables();
    perform store.load_work_sites(array[change.site_id]);
    insert into work_orders (site_id, order_id, is_known)
    select change.site_id, listed.order_id, true from unnest(orders_at_hand) as listed (order_id);
    perform store.mark_days_of_orders();
    perform store.load_work_goals();
    delete from work_goals where work_goals.goal <> all (change.changed);
    perform store.reach_goals_by_orders();
    perform store.store_conversions();
    perform store.derive_metrics();
  end loop;

  perform store.truncate_work_tables();
  delete from store.next_goal_touchpoints where next_goal_touchpoints.site_id = change.site_id;
  delete from store.goal_changes where goal_changes.site_id = change.site_id;
end
$$;

-- Takes conversions of these goals away, and marks the days that had them.
create or replace function store.forget_conversions(site integer, conversion_ids uuid[], goals text[]) returns void
language plpgsql
as $$
begin
  with forgotten as (
    delete from conversions
    where conversions.site_id = site and conversions.conversion_id = any (conversion_ids)
      and conversions.goal = any (goals)
    returning conversions.site_id, conversions.person_id, conversions.day, conversions.session_id
  )

  insert into work_days
  select forgotten.site_id, forgotten.person_id, forgotten.day from forgotten
  union
  select forgotten.site_id, sessions.person_id, (sessions.started_at at time zone work_sites.time_zone)::date
  from forgotten
  join work_sites on work_sites.site_id = forgotten.site_id
  cross join lateral (
    select sessions.person_id, sessions.started_at
    from sessions
    where sessions.site_id = forgotten.site_id and sessions.session_id = forgotten.session_id
    offset 0
  ) as sessions;
end
$$;

-- Marks the days of the orders at hand, and of the sessions they belong to.
create or replace function store.mark_days_of_orders() returns void
language plpgsql
as $$
begin
  insert into work_days
  with at_hand as (
    select orders.*
    from work_orders
    cross join lateral (
      select orders.site_id, orders.person_id, orders.day, orders.session_id
      from orders
      where orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
      offset 0
    ) as orders
  )

  select at_hand.site_id, at_hand.person_id, at_hand.day from at_hand
  union
  select at_hand.site_id, sessions.person_id, (sessions.started_at at time zone work_sites.time_zone)::date
  from at_hand
  join work_sites on work_sites.site_id = at_hand.site_id
  cross join lateral (
    select sessions.person_id, sessions.started_at
    from sessions
    where sessions.site_id = at_hand.site_id and sessions.session_id = at_hand.session_id
    offset 0
  ) as sessions
  on conflict do nothing;
end
$$;
