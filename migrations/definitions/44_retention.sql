-- The tables named without schema are found when a function runs, not when it is made.
set local check_function_bodies = off;

-- Retention (SEMANTICS 1): touchpoints older than their site keeps them are dropped, a month at a time. First is kept what
-- later answers hang on: where each person stood, the sessions that may go on, whose orders are, and sums of what goes. Of
-- touchpoints those stay that tell of identities, accounts and orders, bare of everything else; so the definitions of these
-- work as ever.

-- The first day that is derived: the days before are closed, with the sums they had. Where the site's days began elsewhere
-- when it was cut, the day of the cut is closed as well.
create or replace function store.first_open_day(retained_from timestamptz, time_zone text) returns date
language sql immutable parallel safe
return ((retained_from at time zone time_zone) + interval '1 day' - interval '1 microsecond')::date;

-- Where a site is to be cut next: a month further than it is, up to the first of the month before which nothing is to be
-- kept; null when there is nothing to drop.
create or replace function store.next_cut(site integer, now timestamptz) returns timestamptz
language plpgsql stable
set enable_seqscan = on
as $$
declare
  kept record;
  goal timestamptz;
  oldest timestamptz;
begin
  select sites.retention, sites.retained_from, sites.time_zone into kept from store.sites where sites.site_id = site;
  if kept.retention is null or kept.retention = interval '0 seconds' then
    return null;
  end if;
  goal := date_trunc('month', (next_cut.now - kept.retention) at time zone kept.time_zone) at time zone kept.time_zone;
  if goal <= kept.retained_from then
    return null;
  end if;
  select min(touchpoints.occurred_at) into oldest
  from store.touchpoints
  where touchpoints.site_id = site and touchpoints.occurred_at >= kept.retained_from;
  return least(goal,
    (date_trunc('month', oldest at time zone kept.time_zone) + interval '1 month') at time zone kept.time_zone);
end
$$;

-- Drops what happened before the cut. Answers how many touchpoints went; null where some of before the cut still wait to be
-- derived, so that it has to be tried again. Holds the site meanwhile; what is read of it stays readable.
create or replace function store.retain(site integer, cut timestamptz) returns bigint
language plpgsql
set enable_seqscan = on set enable_hashjoin = on
as $$
declare
  at_hand uuid[];
  gone bigint;
begin
  perform store.lock_site(site);
  if exists (
    select from store.batches
    cross join lateral unnest(batches.touchpoint_ids) as waiting (touchpoint_id)
    join store.touchpoints on touchpoints.site_id = batches.site_id and touchpoints.touchpoint_id = waiting.touchpoint_id
    where batches.site_id = site and touchpoints.occurred_at < cut
  ) then
    return null;
  end if;
  if exists (select from store.sites where sites.site_id = site and sites.retained_from >= cut) then
    return 0;
  end if;

  create temporary table old_touchpoints on commit drop as
  select derivable_touchpoints.touchpoint_id, derivable_touchpoints.identity_id, derivable_touchpoints.user_id,
    derivable_touchpoints.occurred_at, derivable_touchpoints.sequence, derivable_touchpoints.name,
    derivable_touchpoints.is_activity, derivable_touchpoints.membership, derivable_touchpoints.account_id,
    store.spell_of(site, derivable_touchpoints.identity_id, derivable_touchpoints.occurred_at,
      derivable_touchpoints.sequence, derivable_touchpoints.touchpoint_id) as spell
  from store.derivable_touchpoints
  where derivable_touchpoints.site_id = site and derivable_touchpoints.occurred_at < cut;
  analyze old_touchpoints;

  create temporary table old_persons on commit drop as
  select owned.person_id, row_number() over (order by owned.person_id) as number
  from (
    select distinct identities.person_id
    from old_touchpoints
    join store.touchpoints on touchpoints.site_id = site and touchpoints.touchpoint_id = old_touchpoints.touchpoint_id
    join identities
      on identities.site_id = site and identities.identity_id = old_touchpoints.identity_id
      and identities.spell = old_touchpoints.spell
    where touchpoints.flags is null or not touchpoints.flags @> array['retained']
  ) as owned;

  for step in 0 .. (select count(*) / 500 from old_persons) loop
    at_hand := array(
      select old_persons.person_id from old_persons where old_persons.number between step * 500 + 1 and (step + 1) * 500
    );
    perform store.retain_persons(site, cut, at_hand);
    perform store.truncate_work_tables(); -- what is deleted from them stays in the way until the transaction ends
  end loop;
  perform store.retain_sessions(site, cut);
  perform store.retain_orders_and_days(site, cut);
  update store.sites set retained_from = cut where sites.site_id = site;
  gone := store.drop_touchpoints(site, cut);
  drop table old_touchpoints, old_persons;
  return gone;
end
$$;

create or replace function store.spell_of(
  site integer, identity uuid, at timestamptz, sequence bigint, touchpoint uuid
) returns smallint
language plpgsql stable
set enable_seqscan = off
as $$
begin
  return (
    select identities.spell
    from identities
    where identities.site_id = spell_of.site and identities.identity_id = spell_of.identity
      and (identities.from_at, identities.from_sequence, identities.from_touchpoint_id)
        <= (spell_of.at, spell_of.sequence, spell_of.touchpoint)
    order by identities.spell desc
    limit 1
  );
end
$$;

-- Keeps where persons stood at their last touchpoint before the cut, and lets go of their transitions and carts up to it.
create or replace function store.retain_persons(site integer, cut timestamptz, person_ids uuid[]) returns void
language plpgsql
set enable_seqscan = off set enable_hashjoin = off
as $$
begin
  -- A checkpoint that knows of timers after the cut is none of before it.
  delete from checkpoints
  where checkpoints.site_id = site and checkpoints.person_id = any (person_ids) and not checkpoints.is_retained
    and checkpoints.last_seen_at < cut and checkpoints.valid_from >= cut;

  perform store.clear_work_tables();
  perform store.load_work_sites(array[site]);
  perform store.mark_replayed(
    array_fill(site, array[cardinality(person_ids)]), person_ids, array_fill(cut, array[cardinality(person_ids)]));
  perform store.load_replays();
  update work_persons
  set until_at = last_ones.occurred_at, until_sequence = last_ones.sequence, until_touchpoint_id = last_ones.touchpoint_id
  from (
    select distinct on (work_touchpoints.person_id)
      work_touchpoints.person_id, work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id
    from work_touchpoints
    where work_touchpoints.occurred_at < cut
    order by work_touchpoints.person_id, work_touchpoints.occurred_at desc, work_touchpoints.sequence desc,
      work_touchpoints.touchpoint_id desc
  ) as last_ones
  where last_ones.person_id = work_persons.person_id
    and (last_ones.occurred_at, last_ones.sequence, last_ones.touchpoint_id)
      > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id);
  delete from work_persons where work_persons.until_at = 'infinity' or work_persons.person_id <> all (person_ids);
  perform store.compute_carts();
  perform store.compute_stages();
  perform store.keep_piece();

  create temporary table kept_persons on commit drop as
  select kept.*
  from unnest(person_ids) as at_hand (person_id)
  cross join lateral (
    select checkpoints.*
    from checkpoints
    where checkpoints.site_id = site and checkpoints.person_id = at_hand.person_id and checkpoints.last_seen_at < cut
    order by checkpoints.last_seen_at desc, checkpoints.last_sequence desc, checkpoints.last_touchpoint_id desc
    limit 1
  ) as kept;
  perform store.keep_persons(site);
  insert into store.retained_carts (site_id, cart_key, channel)
  select site, opening.touchpoint_id, opening.channel
  from kept_persons
  cross join lateral jsonb_array_elements(kept_persons.carts) as live (cart)
  cross join lateral (
    select touchpoints.touchpoint_id, touchpoints.channel
    from journey.touchpoints
    where touchpoints.site_id = site and touchpoints.touchpoint_id = (live.cart ->> 'cart_key')::uuid
    offset 0
  ) as opening
  on conflict do nothing;
  perform store.drop_transitions_and_carts(site);
  delete from checkpoints
  where checkpoints.site_id = site and checkpoints.person_id = any (person_ids) and checkpoints.last_seen_at < cut;
  drop table kept_persons;
end
$$;

create or replace function store.keep_persons(site integer) returns void
language plpgsql
as $$
begin
  create temporary table kept_rows on commit drop as
  select
    kept_persons.*,
    persons.first_seen_at as seen_first_at,
    own.identity_id as own_identity,
    (
      select jsonb_agg(jsonb_build_object('cart_id', held.cart_id, 'at', held.first_at, 'sequence', held.first_sequence,
        'touchpoint_id', held.first_touchpoint_id) order by held.cart_id)
      from cart_holders as held
      where held.site_id = site and held.person_id = kept_persons.person_id
        and (held.first_at, held.first_sequence, held.first_touchpoint_id)
          <= (kept_persons.last_seen_at, kept_persons.last_sequence, kept_persons.last_touchpoint_id)
    ) as held_ids
  from kept_persons
  join persons on persons.site_id = site and persons.person_id = kept_persons.person_id
  cross join lateral (
    select identities.identity_id
    from identities
    where identities.site_id = site and identities.person_id = kept_persons.person_id and identities.spell = 1
    order by identities.former_person_id is not null, identities.type <> 'user_id', identities.first_seen_at, identities.identity_id
    limit 1
  ) as own;

  -- What was kept before of whoever is part of them by now.
  delete from store.retained_persons
  where retained_persons.site_id = site and retained_persons.identity_id in (
    select identities.identity_id
    from kept_rows
    cross join lateral (
      select identities.identity_id
      from identities
      where identities.site_id = site and identities.person_id = kept_rows.person_id and identities.spell = 1
      offset 0
    ) as identities
  );
  insert into store.retained_persons (
    site_id, identity_id, last_seen_at, last_sequence, last_touchpoint_id, valid_from, state, stage, furthest_stage, since,
    journey_number, last_signal_at, transition_count, last_timer_at, held_until, overridden_at, entered_stages, product_seen_at,
    first_seen_at, first_channel, traits, carts, cart_ids, runaway_at
  )
  select
    kept_rows.site_id, kept_rows.own_identity, kept_rows.last_seen_at, kept_rows.last_sequence, kept_rows.last_touchpoint_id,
    kept_rows.valid_from, machines.states[kept_rows.state], machines.stages[machines.state_stages[kept_rows.state]],
    machines.stages[kept_rows.furthest], kept_rows.since, kept_rows.journey_number, kept_rows.last_signal_at,
    kept_rows.transition_count, kept_rows.last_timer_at, kept_rows.held_until, kept_rows.overridden_at,
    array(
      select machines.stages[position]
      from generate_series(1, cardinality(machines.stages)) as positions (position)
      where kept_rows.entered_stages & (1 << (position - 1)) <> 0
      order by position
    ),
    kept_rows.product_seen_at, kept_rows.seen_first_at, kept_rows.first_channel, kept_rows.traits, kept_rows.carts,
    kept_rows.held_ids, kept_rows.runaway_at
  from kept_rows
  join work_sites on work_sites.site_id = kept_rows.site_id
  join store.model_machines as machines
    on machines.model_name = work_sites.model_name and machines.version = work_sites.model_version;
  drop table kept_rows;
end
$$;

-- Lets go of what cannot be derived again: transitions, with what they are to the figures of stages, and closed carts.
create or replace function store.drop_transitions_and_carts(site integer) returns void
language plpgsql
as $$
begin
  insert into work_moves
  select 1, site, persons.first_channel, dropped.occurred_at, dropped.from_stage, dropped.to_stage, dropped.seconds_in_from_stage
  from kept_persons
  join persons on persons.site_id = site and persons.person_id = kept_persons.person_id
  cross join lateral (
    select stage_transitions.*
    from stage_transitions
    where stage_transitions.site_id = site and stage_transitions.person_id = kept_persons.person_id
      and stage_transitions.transition_number <= kept_persons.transition_count
    offset 0
  ) as dropped;
  perform store.note_stays();
  insert into store.retained_stays
  select work_stays.* from work_stays
  on conflict (site_id, day, channel, stage, to_stage, step) do update set
    stays = retained_stays.stays + excluded.stays, milliseconds = retained_stays.milliseconds + excluded.milliseconds;

  delete from stage_transitions
  using kept_persons
  where stage_transitions.site_id = site and stage_transitions.person_id = kept_persons.person_id
    and stage_transitions.transition_number <= kept_persons.transition_count;

  delete from carts
  using kept_persons
  where carts.site_id = site and carts.person_id = kept_persons.person_id
    and (carts.last_activity_at, carts.last_sequence, carts.last_touchpoint_id)
      <= (kept_persons.last_seen_at, kept_persons.last_sequence, kept_persons.last_touchpoint_id)
    and not coalesce(kept_persons.carts @> jsonb_build_array(jsonb_build_object('cart_key', carts.cart_key)), false);
end
$$;

-- Keeps of every visitor the last session begun before the cut that something after it may still belong to, as it was then.
create or replace function store.retain_sessions(site integer, cut timestamptz) returns void
language plpgsql
set enable_seqscan = on set enable_hashjoin = on
as $$
declare
  the_site store.sites;
begin
  select sites.* into the_site from store.sites where sites.site_id = site;

  create temporary table kept_sessions on commit drop as
  select distinct on (sessions.identity_id) sessions.*
  from sessions
  where sessions.site_id = site and sessions.started_at < cut and sessions.ended_at >= cut - the_site.session_gap
  order by sessions.identity_id, sessions.started_at desc, sessions.started_sequence desc, sessions.session_id desc;

  -- One that goes on past the cut is counted up to it.
  update kept_sessions
  set ended_at = counted.ended_at, engaged_milliseconds = counted.engaged_milliseconds,
    page_view_count = counted.page_view_count, touchpoint_count = counted.touchpoint_count,
    exit_page = counted.exit_page, last_campaign = counted.last_campaign
  from (
    select
      spanning.session_id,
      greatest(max(earlier.ended_at), max(told.occurred_at)) as ended_at,
      coalesce(max(earlier.engaged_milliseconds), 0) + coalesce(sum(told.engaged_milliseconds), 0) as engaged_milliseconds,
      coalesce(max(earlier.page_view_count), 0) + count(*) filter (where told.is_page_view) as page_view_count,
      coalesce(max(earlier.touchpoint_count), 0) + count(told.touchpoint_id) as touchpoint_count,
      coalesce((array_agg(told.path order by told.occurred_at desc, told.sequence desc, told.touchpoint_id desc)
        filter (where told.path is not null))[1], max(earlier.exit_page)) as exit_page,
      coalesce((array_agg(store.campaign_tuple(told.campaign) order by told.occurred_at desc, told.sequence desc, told.touchpoint_id desc)
        filter (where store.campaign_tuple(told.campaign) is not null))[1], max(earlier.last_campaign)) as last_campaign
    from kept_sessions as spanning
    left join store.retained_sessions as earlier
      on earlier.site_id = site and earlier.identity_id = spanning.identity_id and earlier.session_id = spanning.session_id
    left join lateral (
      select derivable_touchpoints.*
      from store.derivable_touchpoints
      where derivable_touchpoints.site_id = site and derivable_touchpoints.identity_id = spanning.identity_id
        and derivable_touchpoints.in_session
        and (derivable_touchpoints.occurred_at, derivable_touchpoints.sequence, derivable_touchpoints.touchpoint_id)
          >= (spanning.started_at, spanning.started_sequence, spanning.session_id)
        and derivable_touchpoints.occurred_at >= the_site.retained_from and derivable_touchpoints.occurred_at < cut
      offset 0
    ) as told on true
    where spanning.ended_at >= cut
    group by spanning.session_id
  ) as counted
  where kept_sessions.session_id = counted.session_id;

  delete from store.retained_sessions where retained_sessions.site_id = site;
  insert into store.retained_sessions select kept_sessions.* from kept_sessions;
  drop table kept_sessions;
  delete from sessions where sessions.site_id = site and sessions.ended_at < cut;
end
$$;

-- Keeps which session and channel orders belong to and what the days were, and lets go of what those were made of.
create or replace function store.retain_orders_and_days(site integer, cut timestamptz) returns void
language plpgsql
set enable_seqscan = on
as $$
declare
  open_day date := (
    select store.first_open_day(cut, sites.time_zone) from store.sites where sites.site_id = site
  );
begin
  insert into store.retained_orders (site_id, order_id, session_id, day, channel, utm_source, campaign, device)
  select orders.site_id, orders.order_id, orders.session_id, orders.day, orders.channel, orders.utm_source, orders.campaign,
    orders.device
  from orders
  where orders.site_id = site and coalesce(orders.visitor_at, orders.occurred_at) < cut
  on conflict (site_id, order_id) do update set
    session_id = excluded.session_id, day = excluded.day, channel = excluded.channel, utm_source = excluded.utm_source,
    campaign = excluded.campaign, device = excluded.device;
  -- An order that a server told of first may belong to a session after the cut.
  delete from conversions
  where conversions.site_id = site and conversions.occurred_at < cut
    and not exists (
      select from orders
      where orders.site_id = site and orders.order_id = conversions.order_id and orders.visitor_at >= cut
    );

  delete from store.retained_days where retained_days.site_id = site;
  insert into store.retained_days
  select day_metrics.* from day_metrics where day_metrics.site_id = site and day_metrics.day < open_day;
  delete from person_days where person_days.site_id = site and person_days.day < open_day;
end
$$;

-- Drops the touchpoints themselves, but for the first and last of each identity under each user, and those that links,
-- accounts and orders are told by. These are left bare of all that nobody needs of them.
create or replace function store.drop_touchpoints(site integer, cut timestamptz) returns bigint
language plpgsql
set enable_seqscan = on set enable_hashjoin = on
as $$
declare
  gone bigint;
begin
  create temporary table kept_touchpoints (touchpoint_id uuid primary key) on commit drop;
  insert into kept_touchpoints
  with seen as (
    select old_touchpoints.touchpoint_id, old_touchpoints.identity_id, old_touchpoints.spell, old_touchpoints.user_id,
      old_touchpoints.occurred_at, old_touchpoints.sequence
    from old_touchpoints
    union all
    select identity_sightings.touchpoint_id, identity_sightings.identity_id,
      store.spell_of(site, identity_sightings.identity_id, identity_sightings.occurred_at, identity_sightings.sequence,
        identity_sightings.touchpoint_id),
      identity_sightings.user_id, identity_sightings.occurred_at, identity_sightings.sequence
    from identity_sightings
    where identity_sightings.site_id = site and identity_sightings.occurred_at < cut
  ),

  placed as (
    select seen.touchpoint_id,
      row_number() over (
        partition by seen.identity_id, seen.spell, seen.user_id
        order by seen.occurred_at, seen.sequence, seen.touchpoint_id
      ) as number_from_first,
      row_number() over (
        partition by seen.identity_id, seen.spell, seen.user_id
        order by seen.occurred_at desc, seen.sequence desc, seen.touchpoint_id desc
      ) as number_from_last
    from seen
  ),

  of_accounts as (
    select old_touchpoints.touchpoint_id,
      row_number() over (
        partition by old_touchpoints.account_id
        order by old_touchpoints.occurred_at, old_touchpoints.sequence, old_touchpoints.touchpoint_id
      ) as number_from_first,
      row_number() over (
        partition by old_touchpoints.account_id
        order by old_touchpoints.occurred_at desc, old_touchpoints.sequence desc, old_touchpoints.touchpoint_id desc
      ) as number_from_last
    from old_touchpoints
    where old_touchpoints.account_id is not null
  )

  select placed.touchpoint_id from placed where 1 in (placed.number_from_first, placed.number_from_last)
  union
  select of_accounts.touchpoint_id from of_accounts where 1 in (of_accounts.number_from_first, of_accounts.number_from_last)
  union
  select identity_links.touchpoint_id from identity_links where identity_links.site_id = site and identity_links.at < cut
  union
  select old_touchpoints.touchpoint_id
  from old_touchpoints
  where old_touchpoints.membership is not null
    or old_touchpoints.name in ('purchase', 'subscription_started', 'refund', 'order_cancelled', 'alias');

  delete from identity_sightings
  where identity_sightings.site_id = site and identity_sightings.occurred_at < cut
    and identity_sightings.touchpoint_id not in (select kept_touchpoints.touchpoint_id from kept_touchpoints);
  delete from store.touchpoints
  where touchpoints.site_id = site and touchpoints.occurred_at < cut
    and touchpoints.touchpoint_id not in (select kept_touchpoints.touchpoint_id from kept_touchpoints);
  get diagnostics gone = row_count;

  update store.touchpoints
  set type = case when bared.is_telling then touchpoints.type else 'identify' end,
    name = case when bared.is_telling then touchpoints.name else 'identify' end,
    properties = case when bared.is_telling then touchpoints.properties end,
    traits = case when touchpoints.type = 'group' then touchpoints.traits end,
    context = null,
    identities = case when touchpoints.is_trusted or (touchpoints.anonymous_id is null and touchpoints.user_id is null)
      then touchpoints.identities end,
    flags = coalesce(touchpoints.flags, '{}') || array['retained']
  from (
    select old_touchpoints.touchpoint_id,
      old_touchpoints.membership is not null
        or (old_touchpoints.name = 'alias' and not old_touchpoints.is_activity)
        or (old_touchpoints.name in ('purchase', 'subscription_started', 'refund', 'order_cancelled')
          and old_touchpoints.is_activity) as is_telling
    from old_touchpoints
    join kept_touchpoints on kept_touchpoints.touchpoint_id = old_touchpoints.touchpoint_id
  ) as bared
  where touchpoints.site_id = site and touchpoints.touchpoint_id = bared.touchpoint_id
    and (touchpoints.flags is null or not touchpoints.flags @> array['retained']);
  drop table kept_touchpoints;
  return gone;
end
$$;
