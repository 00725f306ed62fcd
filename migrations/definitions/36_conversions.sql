-- Conversions (SEMANTICS 8): what reached a goal of its site. The goal `purchase` counts every order just as it stands in
-- orders, so it has no rows of its own; a site that has no other goal has none at all, and pays nothing here.

drop function if exists store.belonging_session(
  integer, uuid, timestamptz, bigint, uuid, uuid, timestamptz, bigint, uuid);

-- The session that a conversion belongs to which is no order: where it happened, told by its visitor; without one the
-- person's last session begun within 24 h before; else none. For orders derive_order_sessions says it.
create or replace function store.belonging_session(
  site integer, visitor uuid, person uuid, at timestamptz, sequence bigint, touchpoint uuid,
  out session_id uuid, out started_at timestamptz, out channel text, out source text, out campaign text, out device text
)
language plpgsql stable
as $$
begin
  if visitor is not null then
    select sessions.session_id, sessions.started_at, sessions.channel, sessions.source, sessions.campaign, sessions.device
    into session_id, started_at, channel, source, campaign, device
    from sessions
    where sessions.site_id = site and sessions.identity_id = visitor
      and (sessions.started_at, sessions.started_sequence, sessions.session_id) <= (at, sequence, touchpoint)
    order by sessions.started_at desc, sessions.started_sequence desc, sessions.session_id desc
    limit 1;
    return;
  end if;
  select sessions.session_id, sessions.started_at, sessions.channel, sessions.source, sessions.campaign, sessions.device
  into session_id, started_at, channel, source, campaign, device
  from sessions
  where sessions.site_id = site and sessions.person_id = person
    and (sessions.started_at, sessions.started_sequence, sessions.session_id) < (at, sequence, touchpoint)
    and sessions.started_at > at - interval '24 hours'
  order by sessions.started_at desc, sessions.started_sequence desc, sessions.session_id desc
  limit 1;
end
$$;

-- The sites at hand that have goals beside `purchase`; null when there is none.
create or replace function store.sites_with_goals() returns integer[]
language plpgsql
as $$
begin
  return (
    select array_agg(work_sites.site_id)
    from work_sites
    where jsonb_array_length(work_sites.goals) > case when work_sites.goals @> '[{"name": "purchase"}]' then 1 else 0 end
  );
end
$$;

create or replace function store.derive_conversions() returns void
language plpgsql
as $$
begin
  perform store.note_next_goals();
  if store.sites_with_goals() is not null then
    perform store.load_work_goals();
    perform store.reach_goals_by_touchpoints();
    perform store.reach_goals_by_orders();
    perform store.store_conversions();
  end if;
end
$$;

create or replace function store.load_work_goals() returns void
language plpgsql
as $$
begin
  insert into work_goals
  select
    work_sites.site_id, goals.goal ->> 'name', goals.goal ->> 'event', goals.goal -> 'when', goals.goal -> 'value' ->> 'property',
    (goals.goal -> 'value' ->> 'amount')::numeric, goals.goal -> 'value' ->> 'currency',
    goals.goal ->> 'counting' = 'once_per_session', (goals.goal ->> 'is_primary')::boolean
  from work_sites
  cross join lateral jsonb_array_elements(work_sites.goals) as goals (goal)
  where goals.goal ->> 'name' <> 'purchase';
end
$$;

-- What touchpoints on the workbench reach. Those that tell of orders reach goals as the order they tell of.
create or replace function store.reach_goals_by_touchpoints() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_reached (
    site_id, conversion_id, goal, is_primary, is_counted, person_id, touchpoint_id, occurred_at, sequence, value, currency,
    session_id, day, channel, utm_source, campaign, device, is_once
  )
  select
    reached.site_id, store.named_uuid(reached.goal || ' ' || reached.touchpoint_id), reached.goal, reached.is_primary, true,
    reached.person_id, reached.touchpoint_id, reached.occurred_at, reached.sequence, reached.value,
    case when reached.value is not null
      then coalesce(reached.goal_currency, store.currency_of(reached.properties -> 'currency'), reached.site_currency) end,
    belonging.session_id,
    (coalesce(belonging.started_at, reached.occurred_at) at time zone reached.time_zone)::date,
    case when belonging.session_id is not null then belonging.channel
    else coalesce(store.offline_channel_of(reached.source), 'Unassigned') end,
    belonging.source, belonging.campaign,
    case when belonging.session_id is null then 'none' else belonging.device end,
    reached.is_once
  from (
    select
      work_touchpoints.site_id, work_touchpoints.touchpoint_id, work_touchpoints.person_id, work_touchpoints.occurred_at,
      work_touchpoints.sequence, work_touchpoints.source, said.properties, work_sites.time_zone,
      work_sites.currency as site_currency, work_goals.goal, work_goals.is_primary, work_goals.is_once,
      work_goals.currency as goal_currency,
      case when work_touchpoints.in_session then work_touchpoints.identity_id end as visitor,
      case
        when work_goals.amount is not null then work_goals.amount
        when work_goals.value_property is not null then store.amount_of(said.properties -> work_goals.value_property)
        else coalesce(store.amount_of(said.properties -> 'value'), store.amount_of(said.properties -> 'revenue'))
      end as value
    from work_goals
    join work_touchpoints
      on work_touchpoints.site_id = work_goals.site_id and work_touchpoints.name = work_goals.event_name
    join work_sites on work_sites.site_id = work_goals.site_id
    cross join lateral (
      -- The workbench holds the properties of those events alone that the other definitions read.
      select case when store.reads_properties(work_touchpoints.name) then work_touchpoints.properties else (
        select touchpoints.properties
        from store.touchpoints
        where touchpoints.site_id = work_touchpoints.site_id and touchpoints.touchpoint_id = work_touchpoints.touchpoint_id
      ) end as properties
    ) as said
    where work_touchpoints.is_activity and work_goals.event_name not in ('purchase', 'subscription_started')
      and work_touchpoints.occurred_at >= work_sites.retained_from
      and (work_goals.condition is null or store.matches(work_goals.condition, said.properties))
  ) as reached
  cross join lateral store.belonging_session(
    reached.site_id, reached.visitor, reached.person_id, reached.occurred_at, reached.sequence, reached.touchpoint_id
  ) as belonging;
end
$$;

-- What the orders at hand reach: goals of an event that one of their touchpoints is, under its condition. An order reaches
-- a goal once, and is where and when and whose journey.orders says.
create or replace function store.reach_goals_by_orders() returns void
language plpgsql
as $$
begin
  insert into work_reached (
    site_id, conversion_id, goal, is_primary, is_counted, person_id, touchpoint_id, order_id, occurred_at, sequence, value,
    currency, session_id, day, channel, utm_source, campaign, device, is_once
  )
  select
    orders.site_id, store.named_uuid(work_goals.goal || ' order ' || orders.order_id), work_goals.goal, work_goals.is_primary,
    true, orders.person_id, orders.first_touchpoint_id, orders.order_id, orders.occurred_at, orders.first_sequence,
    case
      when work_goals.amount is not null then work_goals.amount
      when work_goals.value_property is not null then told.value
      else orders.gross
    end,
    case
      when work_goals.amount is not null then work_goals.currency
      when work_goals.value_property is null or told.value is not null then orders.currency
    end,
    orders.session_id, orders.day, orders.channel, orders.utm_source, orders.campaign, orders.device, work_goals.is_once
  from work_goals
  join work_orders on work_orders.site_id = work_goals.site_id
  cross join lateral (
    select orders.*
    from orders
    where orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
    offset 0
  ) as orders
  cross join lateral (
    select
      count(*) as touchpoint_count,
      (array_agg(saying.value order by saying.is_trusted desc, saying.occurred_at, saying.sequence, saying.touchpoint_id)
        filter (where saying.value is not null))[1] as value
    from (
      select order_touchpoints.is_trusted, order_touchpoints.occurred_at, order_touchpoints.sequence,
        order_touchpoints.touchpoint_id, store.amount_of(touchpoints.properties -> work_goals.value_property) as value
      from order_touchpoints
      join store.touchpoints
        on touchpoints.site_id = order_touchpoints.site_id and touchpoints.touchpoint_id = order_touchpoints.touchpoint_id
      where order_touchpoints.site_id = orders.site_id and order_touchpoints.order_id = orders.order_id
        and order_touchpoints.kind = 'order' and touchpoints.name = work_goals.event_name
        and (work_goals.condition is null or store.matches(work_goals.condition, touchpoints.properties))
    ) as saying
  ) as told
  where work_goals.event_name in ('purchase', 'subscription_started') and told.touchpoint_count > 0
    and greatest(orders.occurred_at, orders.visitor_at) >= (select work_sites.retained_from from work_sites where work_sites.site_id = orders.site_id);
end
$$;

-- Writes what was reached, counts anew in the sessions it belongs or belonged to where once is enough, and marks the days
-- that change by it: those of whoever converted, and of whose session it is.
create or replace function store.store_conversions() returns void
language plpgsql
as $$
begin
  update work_reached
  set old_person_id = known.person_id, old_day = known.day, old_session_id = known.session_id,
    is_counted = not work_reached.is_once or work_reached.session_id is null
      or (known.session_id is not distinct from work_reached.session_id and known.is_counted)
  from (
    select conversions.*
    from work_reached
    cross join lateral (
      select conversions.site_id, conversions.conversion_id, conversions.person_id, conversions.day, conversions.session_id,
        conversions.is_counted
      from conversions
      where conversions.site_id = work_reached.site_id and conversions.conversion_id = work_reached.conversion_id
      offset 0
    ) as conversions
  ) as known
  where known.site_id = work_reached.site_id and known.conversion_id = work_reached.conversion_id;

  insert into conversions
  select
    work_reached.site_id, work_reached.conversion_id, work_reached.goal, work_reached.is_primary, work_reached.is_counted,
    work_reached.person_id, work_reached.touchpoint_id, work_reached.order_id, work_reached.occurred_at, work_reached.sequence,
    work_reached.value, work_reached.currency, work_reached.session_id, work_reached.day, work_reached.channel,
    work_reached.utm_source, work_reached.campaign, work_reached.device
  from work_reached
  on conflict (site_id, conversion_id) do update set
    is_primary = excluded.is_primary, is_counted = excluded.is_counted, person_id = excluded.person_id,
    touchpoint_id = excluded.touchpoint_id, occurred_at = excluded.occurred_at, sequence = excluded.sequence,
    value = excluded.value, currency = excluded.currency, session_id = excluded.session_id, day = excluded.day,
    channel = excluded.channel, utm_source = excluded.utm_source, campaign = excluded.campaign, device = excluded.device
  where conversions is distinct from excluded;

  with sessions_at_hand as (
    select work_reached.site_id, work_reached.session_id, work_reached.goal
    from work_reached
    where work_reached.is_once and work_reached.session_id is not null
    union
    select work_reached.site_id, work_reached.old_session_id, work_reached.goal
    from work_reached
    where work_reached.is_once and work_reached.old_session_id is not null
  ),

  in_order as (
    select
      conversions.place, conversions.is_counted,
      row_number() over (
        partition by sessions_at_hand.site_id, sessions_at_hand.session_id, sessions_at_hand.goal
        order by conversions.occurred_at, conversions.sequence, conversions.touchpoint_id, conversions.conversion_id
      ) = 1 as is_first
    from sessions_at_hand
    cross join lateral (
      select conversions.ctid as place, conversions.is_counted, conversions.occurred_at, conversions.sequence,
        conversions.touchpoint_id, conversions.conversion_id
      from conversions
      where conversions.site_id = sessions_at_hand.site_id and conversions.session_id = sessions_at_hand.session_id
        and conversions.goal = sessions_at_hand.goal
      offset 0
    ) as conversions
  ),

  recounted as (
    update conversions
    set is_counted = not conversions.is_counted
    where conversions.ctid = any (array(
      select in_order.place from in_order where in_order.is_counted <> in_order.is_first
    ))
    returning conversions.site_id, conversions.person_id, conversions.day
  )

  insert into work_days
  select recounted.site_id, recounted.person_id, recounted.day from recounted
  on conflict do nothing;

  insert into work_days
  select days.site_id, days.person_id, days.day
  from (
    select work_reached.site_id, work_reached.person_id, work_reached.day from work_reached
    union
    select work_reached.site_id, work_reached.old_person_id, work_reached.old_day
    from work_reached
    where work_reached.old_person_id is not null
    union
    select sessions.site_id, sessions.person_id, (sessions.started_at at time zone work_sites.time_zone)::date
    from (
      select work_reached.site_id, work_reached.session_id from work_reached
      union
      select work_reached.site_id, work_reached.old_session_id from work_reached
    ) as sessions_at_hand
    join work_sites on work_sites.site_id = sessions_at_hand.site_id
    cross join lateral (
      select sessions.site_id, sessions.person_id, sessions.started_at
      from sessions
      where sessions.site_id = sessions_at_hand.site_id and sessions.session_id = sessions_at_hand.session_id
      offset 0
    ) as sessions
  ) as days
  on conflict do nothing;
end
$$;

-- rate_of for views: whoever reads those may not read rates.
create or replace function store.shown_rate_of(site integer, day date, from_currency text, to_currency text) returns numeric
language plpgsql stable security definer
set search_path = store, pg_temp
as $$
begin
  return store.rate_of(site, day, from_currency, to_currency);
end
$$;
