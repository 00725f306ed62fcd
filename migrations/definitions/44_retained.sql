-- The tables named without schema are found when a function runs, not when it is made.
set local check_function_bodies = off;

-- What retention kept, as derivation reads it.

-- Adds to sums made anew what is kept of those that cannot be.
create or replace function store.add_retained_sums(site integer) returns void
language plpgsql
as $$
begin
  insert into day_metrics
  select retained_days.* from store.retained_days where retained_days.site_id = site
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
  insert into stage_days
  select retained_stays.* from store.retained_stays where retained_stays.site_id = site
  on conflict (site_id, day, channel, stage, to_stage, step) do update set
    stays = stage_days.stays + excluded.stays, milliseconds = stage_days.milliseconds + excluded.milliseconds;
  insert into stage_lengths
  select retained_stays.site_id, retained_stays.stage, retained_stays.to_stage, retained_stays.step,
    sum(retained_stays.stays), sum(retained_stays.milliseconds)
  from store.retained_stays
  where retained_stays.site_id = site and retained_stays.to_stage <> ''
  group by retained_stays.site_id, retained_stays.stage, retained_stays.to_stage, retained_stays.step
  on conflict (site_id, stage, to_stage, step) do update set
    stays = stage_lengths.stays + excluded.stays, milliseconds = stage_lengths.milliseconds + excluded.milliseconds;
end
$$;

-- Makes checkpoints of what is kept of whoever is replayed at sites that were cut. Of persons who have become one since, the
-- stage is that of whoever gave a signal last, and the rest is put together.
create or replace function store.bring_retained_bases() returns void
language plpgsql
as $$
begin
  delete from checkpoints
  where checkpoints.ctid = any (array(
    select known.place
    from work_persons
    join work_sites on work_sites.site_id = work_persons.site_id and work_sites.retained_from > '-infinity'
    cross join lateral (
      select checkpoints.ctid as place
      from checkpoints
      where checkpoints.site_id = work_persons.site_id and checkpoints.person_id = work_persons.person_id
        and (checkpoints.is_retained or checkpoints.last_seen_at < work_sites.retained_from)
      offset 0
    ) as known
    where work_persons.is_replayed and not work_persons.is_loaded
  ));

  insert into checkpoints (
    site_id, person_id, last_seen_at, last_sequence, last_touchpoint_id, valid_from, state, furthest, since, journey_number,
    last_signal_at, transition_count, last_timer_at, held_until, overridden_at, entered_stages, product_seen_at, first_channel,
    traits, carts, is_retained, first_seen_at, runaway_at
  )
  with kept as (
    select work_persons.site_id as of_site, work_persons.person_id, retained.*,
      row(retained.last_seen_at, retained.last_sequence, retained.last_touchpoint_id)::store.order_key as last_key,
      coalesce(array_position(machines.states, retained.state), (
        select min(position)
        from generate_series(1, cardinality(machines.states)) as positions (position)
        where machines.stages[machines.state_stages[position]] = retained.stage
      ), 0)::smallint as state_now,
      coalesce(array_position(machines.stages, retained.furthest_stage), 0)::smallint as furthest_now,
      coalesce((
        select bit_or(1 << (array_position(machines.stages, entered.stage) - 1))
        from unnest(retained.entered_stages) as entered (stage)
      ), 0) as entered_now
    from work_persons
    join work_sites on work_sites.site_id = work_persons.site_id and work_sites.retained_from > '-infinity'
    join store.model_machines as machines
      on machines.model_name = work_sites.model_name and machines.version = work_sites.model_version
    cross join lateral (
      select identities.identity_id
      from identities
      where identities.site_id = work_persons.site_id and identities.person_id = work_persons.person_id
        and identities.spell = 1
      offset 0
    ) as owned
    cross join lateral (
      select retained_persons.*
      from store.retained_persons
      where retained_persons.site_id = work_persons.site_id and retained_persons.identity_id = owned.identity_id
      offset 0
    ) as retained
    where work_persons.is_replayed and not work_persons.is_loaded
  ),

  joined as (
    select
      kept.of_site, kept.person_id,
      (array_agg(kept.last_key order by kept.last_key desc))[1] as last_key,
      max(kept.valid_from) as valid_from,
      (array_agg(kept.state_now order by kept.last_signal_at desc nulls last, kept.last_key desc))[1] as state,
      max(kept.furthest_now) as furthest,
      (array_agg(kept.since order by kept.last_signal_at desc nulls last, kept.last_key desc))[1] as since,
      max(kept.journey_number) as journey_number,
      max(kept.last_signal_at) as last_signal_at,
      max(kept.transition_count) as transition_count,
      max(kept.last_timer_at) as last_timer_at,
      (array_agg(kept.held_until order by kept.last_signal_at desc nulls last, kept.last_key desc))[1] as held_until,
      max(kept.overridden_at) as overridden_at,
      bit_or(kept.entered_now) as entered_stages,
      max(kept.product_seen_at) as product_seen_at,
      (array_agg(kept.first_channel order by kept.first_seen_at, kept.last_key))[1] as first_channel,
      store.merged_traits(array_agg(kept.traits order by kept.last_key)) as traits,
      store.merged_carts(array_agg(kept.carts)) as carts,
      min(kept.first_seen_at) as first_seen_at,
      min(kept.runaway_at) as runaway_at
    from kept
    group by kept.of_site, kept.person_id
  )

  select
    joined.of_site, joined.person_id, (joined.last_key).at, (joined.last_key).sequence, (joined.last_key).touchpoint_id,
    joined.valid_from, joined.state, joined.furthest, joined.since, joined.journey_number, joined.last_signal_at,
    joined.transition_count, joined.last_timer_at, joined.held_until, joined.overridden_at, joined.entered_stages,
    joined.product_seen_at, joined.first_channel, joined.traits, joined.carts, true, joined.first_seen_at,
    joined.runaway_at
  from joined
  on conflict do nothing;
end
$$;

-- Traits of several persons, those of the later ones over those of the earlier.
create or replace function store.merged_traits(listed jsonb[]) returns jsonb
language plpgsql immutable
as $$
declare
  merged jsonb;
  traits jsonb;
begin
  foreach traits in array listed loop
    merged := coalesce(merged || traits, merged, traits);
  end loop;
  return merged;
end
$$;

-- Live carts of several persons, in the order in which they were opened.
create or replace function store.merged_carts(listed jsonb[]) returns jsonb
language plpgsql immutable
as $$
begin
  return (
    select jsonb_agg(carts.cart order by (carts.cart ->> 'opened_at')::timestamptz, carts.cart ->> 'cart_key')
    from unnest(listed) as kept (carts)
    cross join lateral jsonb_array_elements(kept.carts) as carts (cart)
    where kept.carts is not null
  );
end
$$;

-- The sessions that visitors had at the cut, where no later one is known of them.
create or replace function store.retained_sessions_at_hand() returns setof store.retained_sessions
language plpgsql stable
as $$
begin
  if not exists (select from work_sites where work_sites.retained_from > '-infinity') then
    return;
  end if;
  return query
  select retained.site_id, retained.session_id, retained.identity_id, retained.visitor_id, identities.person_id,
    retained.started_at, retained.started_sequence, retained.ended_at, retained.engaged_milliseconds,
    retained.page_view_count, retained.touchpoint_count, retained.entry_page, retained.exit_page, retained.channel,
    retained.source, retained.medium, retained.campaign, retained.term, retained.content, retained.device,
    retained.last_campaign
  from work_identities
  cross join lateral (
    select retained_sessions.*
    from store.retained_sessions
    where retained_sessions.site_id = work_identities.site_id and retained_sessions.identity_id = work_identities.identity_id
    offset 0
  ) as retained
  -- whose it is now
  cross join lateral (
    select identities.person_id
    from identities
    where identities.site_id = retained.site_id and identities.identity_id = retained.identity_id
      and (identities.from_at, identities.from_sequence, identities.from_touchpoint_id)
        <= (retained.started_at, retained.started_sequence, retained.session_id)
    order by identities.spell desc
    limit 1
  ) as identities
  where case when work_identities.is_replayed then work_identities.session_at = '-infinity' else not exists (
    select from sessions
    where sessions.site_id = work_identities.site_id and sessions.identity_id = work_identities.identity_id
  ) end;
end
$$;

-- The ids of the shop's that whoever is replayed from what was kept held carts by before.
create or replace function store.retained_openings()
returns table (site_id integer, cart_id text, person_id uuid, order_key store.order_key)
language plpgsql stable
as $$
begin
  return query
  select work_persons.site_id, held.cart ->> 'cart_id', work_persons.person_id,
    row((held.cart ->> 'at')::timestamptz, (held.cart ->> 'sequence')::bigint,
      (held.cart ->> 'touchpoint_id')::uuid)::store.order_key
  from work_persons
  cross join lateral (
    select identities.identity_id
    from identities
    where identities.site_id = work_persons.site_id and identities.person_id = work_persons.person_id and identities.spell = 1
    offset 0
  ) as owned
  join store.retained_persons
    on retained_persons.site_id = work_persons.site_id and retained_persons.identity_id = owned.identity_id
  cross join lateral jsonb_array_elements(retained_persons.cart_ids) as held (cart)
  where work_persons.is_base_retained;
end
$$;
