-- Persons: who they are, when they were seen, where they stand, what they bought.

-- Which persons the new touchpoints belong to, and whose come out of order.
create or replace function store.mark_persons() returns void
language plpgsql
as $$
begin
  insert into work_persons (site_id, person_id, is_replayed, from_at)
  select marked.site_id, marked.person_id, marked.late_at is not null, coalesce(marked.late_at, '-infinity')
  from (
    select
      work_touchpoints.site_id, work_touchpoints.person_id,
      min(case
        -- an override gave a stage before there was a channel to count it under
        when persons.stage is not null and persons.first_channel is null then '-infinity'
        when store.is_late(
          persons.last_seen_at, persons.last_sequence, persons.last_touchpoint_id, persons.last_timer_at,
          work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
          then work_touchpoints.occurred_at
      end) as late_at
    from work_touchpoints
    left join lateral (
      select persons.*
      from persons
      where persons.site_id = work_touchpoints.site_id and persons.person_id = work_touchpoints.person_id
      offset 0
    ) as persons on true
    where work_touchpoints.is_new
    group by work_touchpoints.site_id, work_touchpoints.person_id
  ) as marked
  on conflict (site_id, person_id) do update set
    is_replayed = true, from_at = excluded.from_at, is_loaded = work_persons.is_loaded and not work_persons.has_base
  where excluded.is_replayed and (not work_persons.is_replayed or excluded.from_at < work_persons.from_at);
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
    select known.place
    from work_persons
    cross join lateral (
      select persons.ctid as place
      from persons
      where persons.site_id = work_persons.site_id and persons.person_id = work_persons.person_id
      offset 0
    ) as known
    where work_persons.is_replayed and not work_persons.has_base
      and not exists (
        select from work_touchpoints
        where work_touchpoints.site_id = work_persons.site_id and work_touchpoints.person_id = work_persons.person_id
      )
  ));
end
$$;

create or replace function store.derive_persons() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
declare
  is_live boolean := store.is_live();
  long_persons uuid[];
  distance integer := store.checkpoint_distance();
  crowded_persons uuid[];
  crowd integer := (
    select min(sites.runaway_limit) from sites where sites.site_id in (select work_sites.site_id from work_sites)
  );
begin
  with written as (
    insert into persons (
      site_id, person_id, user_id, product_seen_at, unkept_count,
      first_seen_at, last_seen_at, last_sequence, last_touchpoint_id, first_channel, traits,
      state, stage, furthest, since, journey_number, last_signal_at, transition_count, last_timer_at, next_due_at,
      entered_stages, held_until, overridden_at, touchpoint_count, runaway_at
    )
    with seen as (
      select
        work_persons.site_id, work_persons.person_id, count(*) as touchpoint_count,
        min(work_touchpoints.occurred_at) as first_seen_at,
        (array_agg(row(work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)::store.order_key
          order by work_touchpoints.occurred_at desc, work_touchpoints.sequence desc, work_touchpoints.touchpoint_id desc))[1] as last_key,
        (array_agg(work_touchpoints.touchpoint_id
          order by work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
          filter (where work_touchpoints.is_activity))[1] as first_activity_id,
        bool_or(work_touchpoints.traits is not null) as has_traits,
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
    )

    select
      work_persons.site_id, work_persons.person_id,
      case when persons.person_id is not null and not work_persons.is_replayed then persons.user_id else (
        select identities.user_id
        from identities
        where identities.site_id = work_persons.site_id and identities.person_id = work_persons.person_id
          and identities.type = 'user_id' and identities.former_person_id is null
        limit 1
      ) end,
      browsing.product_seen_at,
      coalesce(seen.touchpoint_count, 0) + case when work_persons.is_replayed then 0 else coalesce(persons.unkept_count, 0) end,
      case when bases.first_seen_at is not null then bases.first_seen_at
        when work_persons.is_replayed and not work_persons.has_base then seen.first_seen_at
        else coalesce(persons.first_seen_at, seen.first_seen_at) end,
      coalesce((seen.last_key).at, case when work_persons.has_base then work_persons.base_at else persons.last_seen_at end),
      coalesce((seen.last_key).sequence,
        case when work_persons.has_base then work_persons.base_sequence else persons.last_sequence end),
      coalesce((seen.last_key).touchpoint_id,
        case when work_persons.has_base then work_persons.base_touchpoint_id else persons.last_touchpoint_id end),
      case
        when work_persons.is_replayed and bases.first_channel is not null then bases.first_channel
        when not work_persons.is_replayed and persons.first_channel is not null then persons.first_channel
        else store.channel_of_first(work_persons.site_id, seen.first_activity_id)
      end,
      case
        when seen.has_traits then store.traits_after(work_persons.site_id, work_persons.person_id,
          case when work_persons.is_replayed then bases.traits else persons.traits end)
        when work_persons.is_replayed then bases.traits
        else persons.traits
      end,
      (work_stages.machine).state,
      model_machines.stages[model_machines.state_stages[(work_stages.machine).state]],
      (work_stages.machine).furthest, (work_stages.machine).since,
      case when (work_stages.machine).transition_count > 0 then (work_stages.machine).journey_number end,
      (work_stages.machine).last_signal_at, (work_stages.machine).transition_count,
      nullif(greatest(
        (work_stages.machine).last_timer_at,
        case when work_persons.is_replayed then bases.valid_from else persons.last_timer_at end,
        cart_timers.last_timer_at
      ), '-infinity'),
      case
        when work_persons.is_replayed or persons.next_due_at is null or persons.next_due_at <= work_sites.as_of then due.next_due_at
        else least(persons.next_due_at, due.next_due_at)
      end,
      case when bases.person_id is not null then bases.entered_stages
        when (work_stages.machine).transition_count > cardinality((work_stages.machine).moves) then persons.entered_stages else 0 end
        | case when cardinality((work_stages.machine).moves) > 0 then store.stages_entered((work_stages.machine).moves) else 0 end,
      (work_stages.machine).held_until, (work_stages.machine).overridden_at,
      coalesce(seen.touchpoint_count, 0)
        + coalesce(case when work_persons.is_replayed then bases.touchpoint_count else persons.touchpoint_count end, 0),
      case when work_persons.is_replayed then bases.runaway_at else persons.runaway_at end
    from work_persons
    join work_sites on work_sites.site_id = work_persons.site_id
    join sites on sites.site_id = work_persons.site_id
    join work_stages on work_stages.site_id = work_persons.site_id and work_stages.person_id = work_persons.person_id
    join store.model_machines
      on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version
    left join seen on seen.site_id = work_persons.site_id and seen.person_id = work_persons.person_id
    left join bases on bases.site_id = work_persons.site_id and bases.person_id = work_persons.person_id
    left join lateral (
      select persons.*
      from persons
      where persons.site_id = work_persons.site_id and persons.person_id = work_persons.person_id
      offset 0
    ) as persons on true
    left join lateral (
      select
        min(store.cart_due_at(work_carts.cart, work_sites.cart_delay, work_sites.checkout_delay, work_sites.cart_expiry)) as due_at,
        max(greatest((work_carts.cart).abandoned_at, (work_carts.cart).closed_at)) as last_timer_at
      from work_carts
      where work_carts.site_id = work_persons.site_id and work_carts.person_id = work_persons.person_id
    ) as cart_timers on true
    cross join lateral (
      select latest.product_seen_at,
        case when latest.product_seen_at is not null
          then greatest((work_stages.machine).last_signal_at, latest.product_seen_at) + sites.browse_delay end as due_at
      from (
        select case when work_persons.is_replayed then greatest(bases.product_seen_at, seen.product_seen_at)
          else greatest(persons.product_seen_at, seen.product_seen_at) end as product_seen_at
      ) as latest
    ) as browsing
    cross join lateral (
      select least(
        cart_timers.due_at,
        store.stage_due_at(work_stages.machine, model_machines.timer_seconds),
        -- A wait that is over was looked at, unless it has only just come to light, and not too late for a trigger.
        case when browsing.due_at > work_sites.as_of
          or (is_live and browsing.due_at > work_sites.as_of - sites.trigger_stale_after
            and browsing.due_at is distinct from greatest(persons.last_signal_at, persons.product_seen_at) + sites.browse_delay)
        then browsing.due_at end
      ) as next_due_at
    ) as due
    where seen.person_id is not null
      or work_persons.has_base
      or (persons.person_id is not null and not work_persons.is_replayed)
    on conflict (site_id, person_id) do update set
      user_id = excluded.user_id, product_seen_at = excluded.product_seen_at, unkept_count = excluded.unkept_count,
      first_seen_at = excluded.first_seen_at, last_seen_at = excluded.last_seen_at,
      last_sequence = excluded.last_sequence, last_touchpoint_id = excluded.last_touchpoint_id,
      first_channel = excluded.first_channel, traits = excluded.traits, state = excluded.state, stage = excluded.stage,
      furthest = excluded.furthest, since = excluded.since, journey_number = excluded.journey_number,
      last_signal_at = excluded.last_signal_at, transition_count = excluded.transition_count,
      last_timer_at = excluded.last_timer_at, next_due_at = excluded.next_due_at, entered_stages = excluded.entered_stages,
      held_until = excluded.held_until, overridden_at = excluded.overridden_at,
      touchpoint_count = excluded.touchpoint_count, runaway_at = excluded.runaway_at
    returning persons.site_id, persons.person_id, persons.unkept_count, persons.touchpoint_count, persons.runaway_at
  )

  select array_agg(written.person_id) filter (where written.unkept_count >= distance),
    array_agg(written.person_id) filter (where written.touchpoint_count > crowd or written.runaway_at is not null)
  into long_persons, crowded_persons
  from written;
  if long_persons is not null then
    update work_persons set is_long = true where person_id = any (long_persons);
  end if;
  if crowded_persons is not null then
    update work_persons set is_crowded = true where person_id = any (crowded_persons);
  end if;
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

-- Traits: per key the latest value in the order of time; null deletes. E-mail and phone are no traits but contacts.
drop function if exists store.traits_after(integer, uuid, boolean, jsonb);
create or replace function store.traits_after(site integer, person uuid, stored jsonb) returns jsonb
language plpgsql stable
as $$
begin
  return (
    select jsonb_object_agg(latest.key, latest.value) filter (where latest.value <> 'null'::jsonb)
    from (
      select distinct on (said.key) said.key, said.value
      from (
        select kept.key, kept.value, null::store.order_key as order_key
        from jsonb_each(coalesce(stored, '{}')) as kept (key, value)
        union all
        select told.key, told.value,
          row(work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)::store.order_key
        from work_persons
        join work_touchpoints
          on work_touchpoints.site_id = work_persons.site_id and work_touchpoints.person_id = work_persons.person_id
        cross join lateral jsonb_each(work_touchpoints.traits) as told (key, value)
        where work_persons.site_id = traits_after.site and work_persons.person_id = traits_after.person
          and case when work_persons.is_replayed
            then (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
                > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
              and (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
                <= (work_persons.until_at, work_persons.until_sequence, work_persons.until_touchpoint_id)
            else work_touchpoints.is_new end
          and work_touchpoints.traits is not null and jsonb_typeof(work_touchpoints.traits) = 'object'
          and told.key not in ('email', 'phone')
      ) as said
      order by said.key, said.order_key desc nulls last
    ) as latest
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
