-- The tables named without schema are found when a function runs, not when it is made.
set local check_function_bodies = off;

-- All the sums of a site, from the rows of its persons.
create or replace function store.sum_up(site integer) returns void
language plpgsql
set enable_nestloop = off set enable_seqscan = on set enable_hashjoin = on set plan_cache_mode = force_custom_plan
as $$
begin
  perform store.clear_work_tables();
  perform store.load_work_sites(array[site]);

  insert into day_metrics (
    site_id, day, channel, source, campaign, device, sessions, converting_sessions, persons, converting_persons, conversions,
    orders, revenue, refunded, unconverted_orders, person_row_count, primary_conversions
  )
  select person_days.site_id, person_days.day, person_days.channel, person_days.source, person_days.campaign, person_days.device,
    sum(person_days.sessions), sum(person_days.converting_sessions),
    count(*) filter (where person_days.sessions > 0 or person_days.conversions > 0 or person_days.orders > 0),
    count(*) filter (where person_days.primary_conversions > 0),
    sum(person_days.conversions), sum(person_days.orders), trim_scale(sum(person_days.revenue)),
    trim_scale(sum(person_days.refunded)), sum(person_days.unconverted_orders), count(*), sum(person_days.primary_conversions)
  from person_days
  where person_days.site_id = site
  group by person_days.site_id, person_days.day, person_days.channel, person_days.source, person_days.campaign,
    person_days.device;

  insert into stage_standings (site_id, stage, furthest, entered_stages, persons)
  select persons.site_id, persons.stage, persons.furthest, persons.entered_stages, count(*)
  from persons
  where persons.site_id = site and persons.stage is not null
  group by persons.site_id, persons.stage, persons.furthest, persons.entered_stages;

  insert into stage_days (site_id, day, channel, stage, to_stage, step, stays, milliseconds)
  select stays.site_id, stays.day, stays.channel, stays.stage, stays.to_stage, stays.step, count(*), sum(stays.milliseconds)
  from (
    select stage_transitions.site_id, coalesce(persons.first_channel, 'Unassigned') as channel, ends.*
    from stage_transitions
    join work_sites on work_sites.site_id = stage_transitions.site_id
    join persons on persons.site_id = stage_transitions.site_id and persons.person_id = stage_transitions.person_id
    cross join lateral (
      select (stage_transitions.occurred_at at time zone work_sites.time_zone)::date as day,
        stage_transitions.to_stage as stage, '' as to_stage, 0::smallint as step, 0::bigint as milliseconds
      union all
      select
        ((stage_transitions.occurred_at - stage_transitions.seconds_in_from_stage * interval '1 second')
          at time zone work_sites.time_zone)::date,
        stage_transitions.from_stage, stage_transitions.to_stage,
        store.length_step(stage_transitions.seconds_in_from_stage),
        round(stage_transitions.seconds_in_from_stage * 1000)::bigint
      where stage_transitions.from_stage is not null
    ) as ends
    where stage_transitions.site_id = site
  ) as stays
  group by stays.site_id, stays.day, stays.channel, stays.stage, stays.to_stage, stays.step;

  insert into stage_lengths (site_id, stage, to_stage, step, stays, milliseconds)
  select stage_days.site_id, stage_days.stage, stage_days.to_stage, stage_days.step, sum(stage_days.stays),
    sum(stage_days.milliseconds)
  from stage_days
  where stage_days.site_id = site and stage_days.to_stage <> ''
  group by stage_days.site_id, stage_days.stage, stage_days.to_stage, stage_days.step;

  insert into account_stages (site_id, account_id, stage, members)
  select account_members.site_id, account_members.account_id, account_members.counted_stage, count(*)
  from account_members
  where account_members.site_id = site and account_members.to_at is null and account_members.counted_stage is not null
  group by account_members.site_id, account_members.account_id, account_members.counted_stage;

  update accounts
  set member_count = counted.members, order_count = counted.orders, net_revenue = counted.revenue
  from (
    select account_members.account_id, count(*) as members, coalesce(sum(account_members.counted_orders), 0) as orders,
      trim_scale(coalesce(sum(account_members.counted_revenue), 0)) as revenue
    from account_members
    where account_members.site_id = site and account_members.to_at is null
    group by account_members.account_id
  ) as counted
  where accounts.site_id = site and accounts.account_id = counted.account_id;
  perform store.rank_accounts(site);
  perform store.add_retained_sums(site);
end
$$;
