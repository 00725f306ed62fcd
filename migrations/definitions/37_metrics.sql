-- Conversion metrics (SEMANTICS 8): a person's part in a day, and the sums of all persons' parts, kept by differences.

create or replace function store.derive_metrics() returns void
language plpgsql
as $$
begin
  -- A replay can move anything: all days the person ever had, and now has.
  insert into work_days
  select days.site_id, days.person_id, days.day
  from (
    select person_days.site_id, person_days.person_id, person_days.day
    from work_persons
    join person_days on person_days.site_id = work_persons.site_id and person_days.person_id = work_persons.person_id
    where work_persons.is_replayed
    union
    select sessions.site_id, sessions.person_id, (sessions.started_at at time zone work_sites.time_zone)::date
    from work_persons
    join sessions on sessions.site_id = work_persons.site_id and sessions.person_id = work_persons.person_id
    join work_sites on work_sites.site_id = work_persons.site_id
    where work_persons.is_replayed
    union
    select orders.site_id, orders.person_id, orders.day
    from work_persons
    join orders on orders.site_id = work_persons.site_id and orders.person_id = work_persons.person_id
    where work_persons.is_replayed and orders.day is not null
    union
    select orders.site_id, orders.person_id, (refunds.occurred_at at time zone work_sites.time_zone)::date
    from work_persons
    join orders on orders.site_id = work_persons.site_id and orders.person_id = work_persons.person_id
    join refunds on refunds.site_id = orders.site_id and refunds.order_id = orders.order_id
    join work_sites on work_sites.site_id = orders.site_id
    where work_persons.is_replayed
  ) as days
  on conflict do nothing;

  with parts as (
    select
      work_days.site_id, work_days.person_id, work_days.day, sessions.channel, sessions.source, sessions.campaign, sessions.device,
      1 as sessions,
      case when exists (
        select from orders where orders.site_id = sessions.site_id and orders.session_id = sessions.session_id
      ) then 1 else 0 end as converting_sessions,
      0 as conversions, 0 as orders, 0::numeric as revenue, 0::numeric as refunded, 0 as unconverted_orders
    from work_days
    join work_sites on work_sites.site_id = work_days.site_id
    join sessions
      on sessions.site_id = work_days.site_id and sessions.person_id = work_days.person_id
      and sessions.started_at >= work_days.day::timestamp at time zone work_sites.time_zone
      and sessions.started_at < (work_days.day + 1)::timestamp at time zone work_sites.time_zone

    union all

    select
      work_days.site_id, work_days.person_id, work_days.day, orders.channel, orders.utm_source, orders.campaign, orders.device,
      0, 0, 1, 1,
      case when orders.currency = work_sites.currency then orders.gross else 0 end, 0,
      case when orders.currency = work_sites.currency then 0 else 1 end
    from work_days
    join work_sites on work_sites.site_id = work_days.site_id
    join orders on orders.site_id = work_days.site_id and orders.person_id = work_days.person_id and orders.day = work_days.day

    union all

    select
      work_days.site_id, work_days.person_id, work_days.day, orders.channel, orders.utm_source, orders.campaign, orders.device,
      0, 0, 0, 0, 0, refunds.amount, 0
    from work_days
    join work_sites on work_sites.site_id = work_days.site_id
    join orders on orders.site_id = work_days.site_id and orders.person_id = work_days.person_id
    join refunds on refunds.site_id = orders.site_id and refunds.order_id = orders.order_id
    where orders.currency = work_sites.currency and refunds.amount > 0
      and (refunds.occurred_at at time zone work_sites.time_zone)::date = work_days.day
  ),

  days_now as (
    select
      parts.site_id, parts.person_id, parts.day, parts.channel, coalesce(parts.source, '') as source,
      coalesce(parts.campaign, '') as campaign, coalesce(parts.device, '') as device,
      sum(parts.sessions)::integer as sessions, sum(parts.converting_sessions)::integer as converting_sessions,
      sum(parts.conversions)::integer as conversions, sum(parts.orders)::integer as orders, sum(parts.revenue) as revenue,
      sum(parts.refunded) as refunded, sum(parts.unconverted_orders)::integer as unconverted_orders
    from parts
    group by parts.site_id, parts.person_id, parts.day, parts.channel, coalesce(parts.source, ''), coalesce(parts.campaign, ''), coalesce(parts.device, '')
  ),

  days_before as (
    select person_days.*
    from work_days
    join person_days
      on person_days.site_id = work_days.site_id and person_days.person_id = work_days.person_id and person_days.day = work_days.day
  ),

  gone as (
    delete from person_days
    using days_before
    where person_days.site_id = days_before.site_id and person_days.person_id = days_before.person_id
      and person_days.day = days_before.day and person_days.channel = days_before.channel
      and person_days.source = days_before.source and person_days.campaign = days_before.campaign
      and person_days.device = days_before.device
      and not exists (
        select from days_now
        where days_now.site_id = days_before.site_id and days_now.person_id = days_before.person_id
          and days_now.day = days_before.day and days_now.channel = days_before.channel
          and days_now.source = days_before.source and days_now.campaign = days_before.campaign
          and days_now.device = days_before.device
      )
  ),

  told as (
    insert into person_days
    select days_now.site_id, days_now.person_id, days_now.day, days_now.channel, days_now.source, days_now.campaign,
      days_now.device, days_now.sessions, days_now.converting_sessions, days_now.conversions, days_now.orders,
      days_now.revenue, days_now.refunded, days_now.unconverted_orders
    from days_now
    on conflict (site_id, person_id, day, channel, source, campaign, device) do update set
      sessions = excluded.sessions, converting_sessions = excluded.converting_sessions, conversions = excluded.conversions,
      orders = excluded.orders, revenue = excluded.revenue, refunded = excluded.refunded,
      unconverted_orders = excluded.unconverted_orders
    where person_days is distinct from excluded
  ),

  differences as (
    select
      changes.site_id, changes.day, changes.channel, changes.source, changes.campaign, changes.device,
      sum(changes.weight * changes.sessions) as sessions,
      sum(changes.weight * changes.converting_sessions) as converting_sessions,
      sum(changes.weight * (changes.sessions > 0 or changes.conversions > 0)::integer) as persons,
      sum(changes.weight * (changes.conversions > 0)::integer) as converting_persons,
      sum(changes.weight * changes.conversions) as conversions, sum(changes.weight * changes.orders) as orders,
      sum(changes.weight * changes.revenue) as revenue, sum(changes.weight * changes.refunded) as refunded,
      sum(changes.weight * changes.unconverted_orders) as unconverted_orders,
      sum(changes.weight) as row_count
    from (
      select 1 as weight, days_now.* from days_now
      union all
      select -1, days_before.* from days_before
    ) as changes
    group by changes.site_id, changes.day, changes.channel, changes.source, changes.campaign, changes.device
  )

  insert into day_metrics
  select
    differences.site_id, differences.day, differences.channel, differences.source, differences.campaign, differences.device,
    differences.sessions, differences.converting_sessions, differences.persons, differences.converting_persons,
    differences.conversions, differences.orders, differences.revenue, differences.refunded, differences.unconverted_orders,
    differences.row_count
  from differences
  where (differences.sessions, differences.converting_sessions, differences.persons, differences.converting_persons,
    differences.conversions, differences.orders, differences.revenue, differences.refunded, differences.unconverted_orders,
    differences.row_count) is distinct from (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
  on conflict (site_id, day, channel, source, campaign, device) do update set
    sessions = day_metrics.sessions + excluded.sessions,
    converting_sessions = day_metrics.converting_sessions + excluded.converting_sessions,
    persons = day_metrics.persons + excluded.persons,
    converting_persons = day_metrics.converting_persons + excluded.converting_persons,
    conversions = day_metrics.conversions + excluded.conversions,
    orders = day_metrics.orders + excluded.orders,
    revenue = day_metrics.revenue + excluded.revenue,
    refunded = day_metrics.refunded + excluded.refunded,
    unconverted_orders = day_metrics.unconverted_orders + excluded.unconverted_orders,
    person_row_count = day_metrics.person_row_count + excluded.person_row_count;

  delete from day_metrics
  using (select distinct work_days.site_id, work_days.day from work_days) as days
  where day_metrics.site_id = days.site_id and day_metrics.day = days.day and day_metrics.person_row_count = 0;
end
$$;
