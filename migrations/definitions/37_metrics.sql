-- Conversion metrics (SEMANTICS 8): a person's part in a day, and the sums of all persons' parts, kept by differences.

create or replace function store.mark_days() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  -- A replay can move anything after its beginning: all days the person had since, and now has. The day of the session
  -- that the beginning is in is at most the longest session earlier.
  insert into work_days
  with replayed as materialized (
    select work_persons.site_id, work_persons.person_id, work_sites.time_zone,
      case when work_persons.has_base then work_persons.base_at - sites.session_limit else '-infinity' end as from_at
    from work_persons
    join work_sites on work_sites.site_id = work_persons.site_id
    join sites on sites.site_id = work_persons.site_id
    where work_persons.is_replayed
  ),

  bought as (
    select orders.site_id, orders.person_id, orders.order_id, orders.day
    from replayed
    cross join lateral (
      select orders.*
      from orders
      where orders.site_id = replayed.site_id and orders.person_id = replayed.person_id
        and orders.occurred_at >= replayed.from_at
      offset 0
    ) as orders
  )

  select days.site_id, days.person_id, days.day
  from (
    select replayed.site_id, replayed.person_id, person_days.day
    from replayed
    cross join lateral (
      select person_days.day
      from person_days
      where person_days.site_id = replayed.site_id and person_days.person_id = replayed.person_id
        and person_days.day >= (replayed.from_at at time zone replayed.time_zone)::date
      offset 0
    ) as person_days
    union
    select replayed.site_id, replayed.person_id, (sessions.started_at at time zone replayed.time_zone)::date
    from replayed
    cross join lateral (
      select sessions.started_at
      from sessions
      where sessions.site_id = replayed.site_id and sessions.person_id = replayed.person_id
        and sessions.started_at >= replayed.from_at
      offset 0
    ) as sessions
    union
    select bought.site_id, bought.person_id, bought.day from bought where bought.day is not null
    union
    select bought.site_id, bought.person_id, (refunds.occurred_at at time zone work_sites.time_zone)::date
    from bought
    join work_sites on work_sites.site_id = bought.site_id
    cross join lateral (
      select refunds.occurred_at
      from refunds
      where refunds.site_id = bought.site_id and refunds.order_id = bought.order_id
      offset 0
    ) as refunds
  ) as days
  on conflict do nothing;
end
$$;

-- A person's day as the sessions, orders and refunds say it, beside what was said before.
create or replace function store.compute_days() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
declare
  -- Where orders are conversions, where they are of a primary goal, and where there are conversions of other goals.
  order_sites integer[] := array(select work_sites.site_id from work_sites where work_sites.goals @> '[{"name": "purchase"}]');
  primary_sites integer[] := array(
    select work_sites.site_id from work_sites where work_sites.goals @> '[{"name": "purchase", "is_primary": true}]');
  goal_sites integer[] := coalesce(store.sites_with_goals(), '{}');
begin
  -- What happened on days before the cut is gone: they are as they were.
  if exists (select from work_sites where work_sites.retained_from > '-infinity') then
    delete from work_days
    using work_sites
    where work_sites.site_id = work_days.site_id and work_sites.retained_from > '-infinity'
      and work_days.day < store.first_open_day(work_sites.retained_from, work_sites.time_zone);
  end if;

  insert into work_day_parts
  with parts as (
    select
      work_days.site_id, work_days.person_id, work_days.day, sessions.channel, sessions.source, sessions.campaign, sessions.device,
      1 as sessions,
      case
        when sessions.site_id = any (primary_sites) and exists (
          select from orders where orders.site_id = sessions.site_id and orders.session_id = sessions.session_id
        ) then 1
        when sessions.site_id = any (goal_sites) and exists (
          select from conversions
          where conversions.site_id = sessions.site_id and conversions.session_id = sessions.session_id
            and conversions.is_primary
        ) then 1
        else 0
      end as converting_sessions,
      0 as conversions, 0 as primary_conversions, 0 as orders, 0::numeric as revenue, 0::numeric as refunded,
      0 as unconverted_orders
    from work_days
    join work_sites on work_sites.site_id = work_days.site_id
    cross join lateral (
      select sessions.*
      from sessions
      where sessions.site_id = work_days.site_id and sessions.person_id = work_days.person_id
        and sessions.started_at >= work_days.day::timestamp at time zone work_sites.time_zone
        and sessions.started_at < (work_days.day + 1)::timestamp at time zone work_sites.time_zone
      offset 0
    ) as sessions

    union all

    select
      work_days.site_id, work_days.person_id, work_days.day, orders.channel, orders.utm_source, orders.campaign, orders.device,
      0, 0, (orders.site_id = any (order_sites))::integer, (orders.site_id = any (primary_sites))::integer, 1,
      coalesce(store.in_site_currency(orders.gross, orders.is_foreign, orders.site_rate), 0), 0,
      case when orders.is_foreign and orders.site_rate is null then 1 else 0 end
    from work_days
    cross join lateral (
      select orders.*
      from orders
      where orders.site_id = work_days.site_id and orders.person_id = work_days.person_id
      offset 0
    ) as orders
    where orders.day = work_days.day

    union all

    select
      work_days.site_id, work_days.person_id, work_days.day, conversions.channel, conversions.utm_source, conversions.campaign,
      conversions.device, 0, 0, 1, conversions.is_primary::integer, 0, 0, 0, 0
    from work_days
    cross join lateral (
      select conversions.*
      from conversions
      where conversions.site_id = work_days.site_id and conversions.person_id = work_days.person_id
        and conversions.day = work_days.day
      offset 0
    ) as conversions
    where work_days.site_id = any (goal_sites) and conversions.is_counted

    union all

    select
      work_days.site_id, work_days.person_id, work_days.day, orders.channel, orders.utm_source, orders.campaign, orders.device,
      0, 0, 0, 0, 0, 0, refunds.amount_site, 0
    from work_days
    join work_sites on work_sites.site_id = work_days.site_id
    cross join lateral (
      select orders.*
      from orders
      where orders.site_id = work_days.site_id and orders.person_id = work_days.person_id
      offset 0
    ) as orders
    cross join lateral (
      select refunds.*
      from refunds
      where refunds.site_id = orders.site_id and refunds.order_id = orders.order_id
      offset 0
    ) as refunds
    where refunds.amount > 0 and refunds.amount_site is not null
      and (refunds.occurred_at at time zone work_sites.time_zone)::date = work_days.day
  ),

  days_now as (
    select
      parts.site_id, parts.person_id, parts.day, parts.channel, coalesce(parts.source, '') as source,
      coalesce(parts.campaign, '') as campaign, coalesce(parts.device, '') as device,
      sum(parts.sessions)::integer as sessions, sum(parts.converting_sessions)::integer as converting_sessions,
      sum(parts.conversions)::integer as conversions, sum(parts.primary_conversions)::integer as primary_conversions,
      sum(parts.orders)::integer as orders, trim_scale(sum(parts.revenue)) as revenue,
      trim_scale(sum(parts.refunded)) as refunded, sum(parts.unconverted_orders)::integer as unconverted_orders
    from parts
    group by parts.site_id, parts.person_id, parts.day, parts.channel, coalesce(parts.source, ''), coalesce(parts.campaign, ''), coalesce(parts.device, '')
  )

  select 1, days_now.site_id, days_now.person_id, days_now.day, days_now.channel, days_now.source, days_now.campaign,
    days_now.device, days_now.sessions, days_now.converting_sessions, days_now.conversions, days_now.orders,
    days_now.revenue, days_now.refunded, days_now.unconverted_orders, days_now.primary_conversions
  from days_now;

  insert into work_day_parts
  select -1, days_before.*
  from work_days
  cross join lateral (
    select person_days.*
    from person_days
    where person_days.site_id = work_days.site_id and person_days.person_id = work_days.person_id and person_days.day = work_days.day
    offset 0
  ) as days_before;
end
$$;

-- Parts of days that are none any more.
create or replace function store.delete_days() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  delete from person_days
  where person_days.ctid = any (array(
    select known.place
    from work_day_parts as before
    cross join lateral (
      select person_days.ctid as place
      from person_days
      where person_days.site_id = before.site_id and person_days.person_id = before.person_id
        and person_days.day = before.day and person_days.channel = before.channel and person_days.source = before.source
        and person_days.campaign = before.campaign and person_days.device = before.device
      offset 0
    ) as known
    where before.weight = -1
      and not exists (
        select from work_day_parts as now
        where now.weight = 1
          and now.site_id = before.site_id and now.person_id = before.person_id and now.day = before.day
          and now.channel = before.channel and now.source = before.source and now.campaign = before.campaign
          and now.device = before.device
      )
  ));
end
$$;

create or replace function store.derive_metrics() returns void
language plpgsql
as $$
begin
  perform store.mark_days();
  perform store.compute_days();

  perform store.delete_days();

  insert into person_days
  select now.site_id, now.person_id, now.day, now.channel, now.source, now.campaign, now.device, now.sessions,
    now.converting_sessions, now.conversions, now.orders, now.revenue, now.refunded, now.unconverted_orders,
    now.primary_conversions
  from work_day_parts as now
  where now.weight = 1
  on conflict (site_id, person_id, day, channel, source, campaign, device) do update set
    sessions = excluded.sessions, converting_sessions = excluded.converting_sessions, conversions = excluded.conversions,
    orders = excluded.orders, revenue = excluded.revenue, refunded = excluded.refunded,
    unconverted_orders = excluded.unconverted_orders, primary_conversions = excluded.primary_conversions
  where person_days is distinct from excluded;

  if store.keeps_sums() then
    perform store.store_day_metrics();
  end if;
end
$$;

-- Adds to the sums what has come, and takes away what has gone.
create or replace function store.store_day_metrics() returns void
language plpgsql
as $$
begin
  with differences as (
    select
      parts.site_id, parts.day, parts.channel, parts.source, parts.campaign, parts.device,
      sum(parts.weight * parts.sessions) as sessions,
      sum(parts.weight * parts.converting_sessions) as converting_sessions,
      sum(parts.weight * (parts.sessions > 0 or parts.conversions > 0 or parts.orders > 0)::integer) as persons,
      sum(parts.weight * (parts.primary_conversions > 0)::integer) as converting_persons,
      sum(parts.weight * parts.conversions) as conversions,
      sum(parts.weight * parts.primary_conversions) as primary_conversions,
      sum(parts.weight * parts.orders) as orders,
      sum(parts.weight * parts.revenue) as revenue,
      sum(parts.weight * parts.refunded) as refunded,
      sum(parts.weight * parts.unconverted_orders) as unconverted_orders,
      sum(parts.weight) as row_count
    from work_day_parts as parts
    group by parts.site_id, parts.day, parts.channel, parts.source, parts.campaign, parts.device
  )

  insert into day_metrics
  select
    differences.site_id, differences.day, differences.channel, differences.source, differences.campaign, differences.device,
    differences.sessions, differences.converting_sessions, differences.persons, differences.converting_persons,
    differences.conversions, differences.orders, trim_scale(differences.revenue), trim_scale(differences.refunded),
    differences.unconverted_orders, differences.row_count, differences.primary_conversions
  from differences
  where (differences.sessions, differences.converting_sessions, differences.persons, differences.converting_persons,
    differences.conversions, differences.orders, differences.revenue, differences.refunded, differences.unconverted_orders,
    differences.row_count, differences.primary_conversions) is distinct from (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
  on conflict (site_id, day, channel, source, campaign, device) do update set
    sessions = day_metrics.sessions + excluded.sessions,
    converting_sessions = day_metrics.converting_sessions + excluded.converting_sessions,
    persons = day_metrics.persons + excluded.persons,
    converting_persons = day_metrics.converting_persons + excluded.converting_persons,
    conversions = day_metrics.conversions + excluded.conversions,
    orders = day_metrics.orders + excluded.orders,
    revenue = trim_scale(day_metrics.revenue + excluded.revenue),
    refunded = trim_scale(day_metrics.refunded + excluded.refunded),
    unconverted_orders = day_metrics.unconverted_orders + excluded.unconverted_orders,
    person_row_count = day_metrics.person_row_count + excluded.person_row_count,
    primary_conversions = day_metrics.primary_conversions + excluded.primary_conversions;

  delete from day_metrics
  using (select distinct work_days.site_id, work_days.day from work_days) as days
  where day_metrics.site_id = days.site_id and day_metrics.day = days.day and day_metrics.person_row_count = 0;
end
$$;
