-- Persons: who they are, when they were seen, where they stand, what they bought.

-- Which persons the new touchpoints belong to, and whose come out of order. If any of theirs does, the earliest does.
create or replace function store.mark_persons() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  with marked as materialized (
    select earliest.site_id as at_site_id, earliest.person_id as at_person_id, persons.*,
      case
        -- an override gave a stage before there was a channel to count it under
        when persons.stage is not null and persons.first_channel is null then '-infinity'
        when store.is_late(
          persons.last_seen_at, persons.last_sequence, persons.last_touchpoint_id, persons.last_timer_at,
          earliest.occurred_at, earliest.sequence, earliest.touchpoint_id) then earliest.occurred_at
      end as late_at
    from (
      select distinct on (work_touchpoints.site_id, work_touchpoints.person_id)
        work_touchpoints.site_id, work_touchpoints.person_id, work_touchpoints.occurred_at, work_touchpoints.sequence,
        work_touchpoints.touchpoint_id
      from work_touchpoints
      where work_touchpoints.is_new
      order by work_touchpoints.site_id, work_touchpoints.person_id, work_touchpoints.occurred_at, work_touchpoints.sequence,
        work_touchpoints.touchpoint_id
    ) as earliest
    left join lateral (
      select persons.ctid as place, persons.*
      from persons
      where persons.site_id = earliest.site_id and persons.person_id = earliest.person_id
      offset 0
    ) as persons on true
  ),

  marked_before as (
    update work_persons
    set is_replayed = true, from_at = marked.late_at, is_loaded = work_persons.is_loaded and not work_persons.has_base
    from marked
    where work_persons.site_id = marked.at_site_id and work_persons.person_id = marked.at_person_id
      and marked.late_at is not null and (not work_persons.is_replayed or marked.late_at < work_persons.from_at)
  )

  insert into work_persons (
    site_id, person_id, is_replayed, from_at, is_looked_up, place, state, furthest, since, journey_number, transition_count,
    last_signal_at, last_timer_at, held_until, overridden_at, entered_stages, first_seen_at, last_seen_at, last_sequence,
    last_touchpoint_id, product_seen_at, next_due_at, unkept_count, touchpoint_count, runaway_at, stage, first_channel, user_id,
    traits
  )
  select
    marked.at_site_id, marked.at_person_id, marked.late_at is not null, coalesce(marked.late_at, '-infinity'), true,
    marked.place, marked.state, marked.furthest, marked.since, marked.journey_number, marked.transition_count,
    marked.last_signal_at, marked.last_timer_at, marked.held_until, marked.overridden_at, marked.entered_stages,
    marked.first_seen_at, marked.last_seen_at, marked.last_sequence, marked.last_touchpoint_id, marked.product_seen_at,
    marked.next_due_at, marked.unkept_count, marked.touchpoint_count, marked.runaway_at, marked.stage, marked.first_channel, marked.user_id, marked.traits
  from marked
  where not exists (
    select from work_persons
    where work_persons.site_id = marked.at_site_id and work_persons.person_id = marked.at_person_id
  );
end
$$;

-- Looks up what stands of whoever was marked otherwise than by a touchpoint of theirs. Nobody's row is written before.
create or replace function store.look_up_persons() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  update work_persons
  set is_looked_up = true, place = known.place, state = known.state, furthest = known.furthest, since = known.since,
    journey_number = known.journey_number, transition_count = known.transition_count, last_signal_at = known.last_signal_at,
    last_timer_at = known.last_timer_at, held_until = known.held_until, overridden_at = known.overridden_at,
    entered_stages = known.entered_stages, first_seen_at = known.first_seen_at, last_seen_at = known.last_seen_at,
    last_sequence = known.last_sequence, last_touchpoint_id = known.last_touchpoint_id,
    product_seen_at = known.product_seen_at, next_due_at = known.next_due_at, unkept_count = known.unkept_count,
    touchpoint_count = known.touchpoint_count, runaway_at = known.runaway_at,
    stage = known.stage, first_channel = known.first_channel, user_id = known.user_id, traits = known.traits
  from (
    select persons.*
    from work_persons
    cross join lateral (
      select persons.ctid as place, persons.*
      from persons
      where persons.site_id = work_persons.site_id and persons.person_id = work_persons.person_id
      offset 0
    ) as persons
    where not work_persons.is_looked_up
  ) as known
  where work_persons.site_id = known.site_id and work_persons.person_id = known.person_id;
end
$$;

-- Whoever was joined to another, and has no touchpoint of their own left, is no person any more.
create or replace function store.delete_empty_persons() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  delete from persons
  where persons.ctid = any (array(
    select work_persons.place
    from work_persons
    where work_persons.is_replayed and not work_persons.has_base and work_persons.place is not null
      and not exists (
        select from work_touchpoints
        where work_touchpoints.site_id = work_persons.site_id and work_touchpoints.person_id = work_persons.person_id
      )
  ));
end
$$;

create or replace function store.derive_persons() returns void
language plpgsql
as $$
begin
  perform store.compute_persons();
  perform store.store_persons();
end
$$;

create or replace function store.compute_persons() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
declare
  is_live boolean := store.is_live();
  distance integer := store.checkpoint_distance();
  long_persons uuid[];
  crowded_persons uuid[];
  crowd integer := (
    select min(sites.runaway_limit) from sites where sites.site_id in (select work_sites.site_id from work_sites)
  );
begin
  insert into work_person_rows (
    place, site_id, person_id, state, furthest, since, journey_number, transition_count, last_signal_at, last_timer_at,
    held_until, overridden_at, entered_stages, first_seen_at, last_seen_at, last_sequence, last_touchpoint_id,
    product_seen_at, next_due_at, unkept_count, touchpoint_count, runaway_at, stage, first_channel, user_id, traits
  )
  with seen as (
    select
      work_persons.site_id, work_persons.person_id, count(*) as touchpoint_count,
      min(work_touchpoints.occurred_at) as first_seen_at,
      (array_agg(row(work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)::store.order_key
        order by work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id))[count(*)] as last_key,
      (array_agg(work_touchpoints.touchpoint_id
        order by work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
        filter (where work_touchpoints.is_activity))[1] as first_activity_id,
      array_agg(work_touchpoints.traits
        order by work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
        filter (where work_touchpoints.traits is not null) as traits_told,
      max(work_touchpoints.occurred_at)
        filter (where work_touchpoints.name = 'view_item' and work_touchpoints.is_activity) as product_seen_at
    from work_persons
    join work_touchpoints
      on work_touchpoints.site_id = work_persons.site_id and work_touchpoints.person_id = work_persons.person_id
    where case when work_persons.is_replayed
      then (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
        > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
      else work_touchpoints.is_new end
    group by work_persons.site_id, work_persons.person_id
  ),

  -- Of whom is replayed from a checkpoint on, what it says.
  bases as materialized (
    select work_persons.site_id, work_persons.person_id, kept.entered_stages, kept.product_seen_at, kept.first_channel,
      kept.traits, kept.valid_from, kept.first_seen_at, kept.touchpoint_count, kept.runaway_at
    from work_persons
    cross join lateral (
      select checkpoints.*
      from checkpoints
      where checkpoints.site_id = work_persons.site_id and checkpoints.person_id = work_persons.person_id
        and checkpoints.last_seen_at = work_persons.base_at and checkpoints.last_sequence = work_persons.base_sequence
        and checkpoints.last_touchpoint_id = work_persons.base_touchpoint_id
      offset 0
    ) as kept
    where work_persons.has_base
  ),

  cart_timers as (
    select work_carts.site_id, work_carts.person_id,
      min(store.cart_due_at(work_carts.cart, work_sites.cart_delay, work_sites.checkout_delay, work_sites.cart_expiry)) as due_at,
      max(greatest((work_carts.cart).abandoned_at, (work_carts.cart).closed_at)) as last_timer_at
    from work_carts
    join work_sites on work_sites.site_id = work_carts.site_id
    group by work_carts.site_id, work_carts.person_id
  )

  select
    work_persons.place, work_persons.site_id, work_persons.person_id,
    work_stages.state, work_stages.furthest, work_stages.since,
    case when work_stages.transition_count > 0 then work_stages.journey_number end, work_stages.transition_count,
    work_stages.last_signal_at,
    nullif(greatest(
      work_stages.last_timer_at,
      case when work_persons.is_replayed then bases.valid_from else work_persons.last_timer_at end,
      cart_timers.last_timer_at
    ), '-infinity'),
    work_stages.held_until, work_stages.overridden_at,
    case when bases.person_id is not null then bases.entered_stages
      when work_stages.transition_count > work_stages.move_count then work_persons.entered_stages else 0 end
      | case when work_stages.move_count > 0 then store.stages_entered(work_stages.moves) else 0 end,
    case when bases.first_seen_at is not null then bases.first_seen_at
      when work_persons.is_replayed and not work_persons.has_base then seen.first_seen_at
      else coalesce(work_persons.first_seen_at, seen.first_seen_at) end,
    coalesce((seen.last_key).at, case when work_persons.has_base then work_persons.base_at else work_persons.last_seen_at end),
    coalesce((seen.last_key).sequence,
      case when work_persons.has_base then work_persons.base_sequence else work_persons.last_sequence end),
    coalesce((seen.last_key).touchpoint_id,
      case when work_persons.has_base then work_persons.base_touchpoint_id else work_persons.last_touchpoint_id end),
    browsing.product_seen_at,
    case
      when work_persons.is_replayed or work_persons.next_due_at is null or work_persons.next_due_at <= work_sites.as_of
        then due.next_due_at
      else least(work_persons.next_due_at, due.next_due_at)
    end,
    coalesce(seen.touchpoint_count, 0) + case when work_persons.is_replayed then 0 else coalesce(work_persons.unkept_count, 0) end,
    coalesce(seen.touchpoint_count, 0)
      + coalesce(case when work_persons.is_replayed then bases.touchpoint_count else work_persons.touchpoint_count end, 0),
    case when work_persons.is_replayed then bases.runaway_at else work_persons.runaway_at end,
    model_machines.stages[model_machines.state_stages[work_stages.state]],
    case
      when work_persons.is_replayed and bases.first_channel is not null then bases.first_channel
      when not work_persons.is_replayed and work_persons.first_channel is not null then work_persons.first_channel
      when first_sessions.session_id is not null then first_sessions.channel
      else store.channel_of_first(work_persons.site_id, seen.first_activity_id)
    end,
    case when work_persons.place is not null and not work_persons.is_replayed then work_persons.user_id else (
      select identities.user_id
      from identities
      where identities.site_id = work_persons.site_id and identities.person_id = work_persons.person_id
        and identities.type = 'user_id' and identities.former_person_id is null
      limit 1
    ) end,
    case
      when seen.traits_told is not null then store.traits_after(
        case when work_persons.is_replayed then bases.traits else work_persons.traits end, seen.traits_told)
      when work_persons.is_replayed then bases.traits
      else work_persons.traits
    end
  from work_persons
  join work_sites on work_sites.site_id = work_persons.site_id
  join sites on sites.site_id = work_persons.site_id
  join work_stages on work_stages.site_id = work_persons.site_id and work_stages.person_id = work_persons.person_id
  join store.model_machines
    on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version
  left join seen on seen.site_id = work_persons.site_id and seen.person_id = work_persons.person_id
  left join bases on bases.site_id = work_persons.site_id and bases.person_id = work_persons.person_id
  left join cart_timers on cart_timers.site_id = work_persons.site_id and cart_timers.person_id = work_persons.person_id
  -- the session that the first touchpoint began, where it is at hand
  left join work_session_rows as first_sessions
    on first_sessions.site_id = work_persons.site_id and first_sessions.session_id = seen.first_activity_id
  cross join lateral (
    select latest.product_seen_at,
      case when latest.product_seen_at is not null
        then greatest(work_stages.last_signal_at, latest.product_seen_at) + sites.browse_delay end as due_at
    from (
      select case when work_persons.is_replayed then greatest(bases.product_seen_at, seen.product_seen_at)
        else greatest(work_persons.product_seen_at, seen.product_seen_at) end as product_seen_at
    ) as latest
  ) as browsing
  cross join lateral (
    select least(
      cart_timers.due_at,
      work_stages.due_at,
      -- A wait that is over was looked at, unless it has only just come to light, and not too late for a trigger.
      case when browsing.due_at > work_sites.as_of
        or (is_live and browsing.due_at > work_sites.as_of - sites.trigger_stale_after
          and browsing.due_at is distinct from greatest(work_persons.last_signal_at, work_persons.product_seen_at) + sites.browse_delay)
      then browsing.due_at end
    ) as next_due_at
  ) as due
  where seen.person_id is not null
    or work_persons.has_base
    or (work_persons.place is not null and not work_persons.is_replayed);

  select array_agg(now.person_id) filter (where now.unkept_count >= distance),
    array_agg(now.person_id) filter (where now.touchpoint_count > crowd or now.runaway_at is not null)
  into long_persons, crowded_persons
  from work_person_rows as now;
  if long_persons is not null then
    update work_persons set is_long = true where person_id = any (long_persons);
  end if;
  if crowded_persons is not null then
    update work_persons set is_crowded = true where person_id = any (crowded_persons);
  end if;
end
$$;

-- Rows that stand are changed where they stand, which spares looking them up again. Those of persons without any more
-- touchpoints were deleted before.
create or replace function store.store_persons() returns void
language plpgsql
as $$
begin
  update persons
  set user_id = now.user_id, product_seen_at = now.product_seen_at, unkept_count = now.unkept_count,
    first_seen_at = now.first_seen_at, last_seen_at = now.last_seen_at, last_sequence = now.last_sequence,
    last_touchpoint_id = now.last_touchpoint_id, first_channel = now.first_channel, traits = now.traits, state = now.state,
    stage = now.stage, furthest = now.furthest, since = now.since, journey_number = now.journey_number,
    last_signal_at = now.last_signal_at, transition_count = now.transition_count, last_timer_at = now.last_timer_at,
    next_due_at = now.next_due_at, entered_stages = now.entered_stages, held_until = now.held_until,
    overridden_at = now.overridden_at, touchpoint_count = now.touchpoint_count, runaway_at = now.runaway_at
  from work_person_rows as now
  where persons.ctid = now.place;

  insert into persons (
    site_id, person_id, user_id, product_seen_at, unkept_count, first_seen_at, last_seen_at, last_sequence,
    last_touchpoint_id, first_channel, traits, state, stage, furthest, since, journey_number, last_signal_at,
    transition_count, last_timer_at, next_due_at, entered_stages, held_until, overridden_at,
    touchpoint_count, runaway_at
  )
  select now.site_id, now.person_id, now.user_id, now.product_seen_at, now.unkept_count, now.first_seen_at, now.last_seen_at,
    now.last_sequence, now.last_touchpoint_id, now.first_channel, now.traits, now.state, now.stage, now.furthest, now.since,
    now.journey_number, now.last_signal_at, now.transition_count, now.last_timer_at, now.next_due_at, now.entered_stages,
    now.held_until, now.overridden_at, now.touchpoint_count, now.runaway_at
  from work_person_rows as now
  where now.place is null;
end
$$;

-- The channel of a person's first touchpoint: its session's, which it began; outside sessions its own.
create or replace function store.channel_of_first(site integer, touchpoint uuid) returns text
language plpgsql stable
as $$
declare
  found_channel text;
begin
  select sessions.channel into found_channel
  from sessions
  where sessions.site_id = channel_of_first.site and sessions.session_id = channel_of_first.touchpoint;
  if found_channel is null then
    select (store.traffic_of(work_sites.site_id, touchpoints.context, touchpoints.source, work_sites.no_referrers)).channel into found_channel
    from store.touchpoints
    join work_sites on work_sites.site_id = touchpoints.site_id
    where touchpoints.site_id = channel_of_first.site and touchpoints.touchpoint_id = channel_of_first.touchpoint;
  end if;
  return found_channel;
end
$$;

drop function if exists store.traits_after(integer, uuid, boolean, jsonb);
drop function if exists store.traits_after(integer, uuid, jsonb);

-- Traits: per key the latest value of those told, in the order of time; null deletes. E-mail and phone are no traits but
-- contacts.
create or replace function store.traits_after(stored jsonb, told jsonb[]) returns jsonb
language plpgsql immutable
as $$
declare
  traits jsonb := coalesce(stored, '{}');
  saying jsonb;
begin
  foreach saying in array told loop
    if jsonb_typeof(saying) = 'object' then
      traits := traits || (saying - '{email,phone}'::text[]);
    end if;
  end loop;
  return (
    select jsonb_object_agg(kept.key, kept.value)
    from jsonb_each(traits) as kept (key, value)
    where kept.value <> 'null'::jsonb
  );
end
$$;

-- What a person bought, for whoever an order came to or left.
create or replace function store.derive_purchases() returns void
language plpgsql
as $$
begin
  update persons
  set order_count = totals.order_count, refunded_order_count = totals.refunded_order_count, net_revenue = totals.net_revenue,
    unconverted_order_count = totals.unconverted_order_count
  from (
    select buyers.site_id, buyers.person_id,
      count(orders.order_id) as order_count,
      count(*) filter (where orders.gross > 0 and orders.refunded >= orders.gross) as refunded_order_count,
      trim_scale(coalesce(sum(store.in_site_currency(orders.gross, orders.is_foreign, orders.site_rate)
        - store.in_site_currency(orders.refunded, orders.is_foreign, orders.site_rate)), 0)) as net_revenue,
      count(*) filter (where orders.is_foreign and orders.site_rate is null) as unconverted_order_count
    from (
      select work_orders.site_id, work_orders.person_id from work_orders
      union
      select orders.site_id, orders.person_id
      from work_orders
      join orders on orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
      union
      select work_persons.site_id, work_persons.person_id
      from work_persons
      where work_persons.is_replayed and not work_persons.has_base
    ) as buyers
    left join lateral (
      select orders.*
      from orders
      where orders.site_id = buyers.site_id and orders.person_id = buyers.person_id
      offset 0
    ) as orders on true
    group by buyers.site_id, buyers.person_id
  ) as totals
  where persons.site_id = totals.site_id and persons.person_id = totals.person_id
    and (persons.order_count, persons.refunded_order_count, persons.net_revenue, persons.unconverted_order_count)
      is distinct from (totals.order_count::integer, totals.refunded_order_count::integer, totals.net_revenue, totals.unconverted_order_count::integer);
end
$$;
