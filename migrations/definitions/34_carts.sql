-- Carts (SEMANTICS 7): a fold over a person's cart touchpoints and the orders that close carts, in order.

-- Who holds which of the shop's cart ids, from the first touchpoint that opened a cart with it. A new holder can make an
-- older order's cart id known, so whoever that order concerns is replayed.
create or replace function store.derive_cart_holders() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
declare
  changed_sites integer[];
  changed_persons uuid[];
  changed_instants timestamptz[];
begin
  with openings as (
    select work_touchpoints.site_id, store.text_of(work_touchpoints.properties -> 'cart_id') as cart_id, work_touchpoints.person_id,
      row(work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)::store.order_key as order_key
    from work_persons
    join work_touchpoints
      on work_touchpoints.site_id = work_persons.site_id and work_touchpoints.person_id = work_persons.person_id
    where work_touchpoints.is_activity
      and case when work_persons.is_replayed
        then (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
          > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
        else work_touchpoints.is_new end
      and store.opens_cart(work_touchpoints.name, store.items_of(work_touchpoints.properties))
      and store.text_of(work_touchpoints.properties -> 'cart_id') is not null
    union all
    select retained.* from store.retained_openings() as retained
  ),

  holders as (
    select openings.site_id, openings.cart_id, openings.person_id,
      (array_agg(openings.order_key order by openings.order_key))[1] as first_key
    from openings
    group by openings.site_id, openings.cart_id, openings.person_id
  ),

  gone as (
    delete from cart_holders
    where cart_holders.ctid = any (array(
      select held.place
      from work_persons
      cross join lateral (
        select cart_holders.ctid as place, cart_holders.site_id, cart_holders.cart_id, cart_holders.person_id
        from cart_holders
        where cart_holders.site_id = work_persons.site_id and cart_holders.person_id = work_persons.person_id
          and (work_persons.is_base_retained
            or (cart_holders.first_at, cart_holders.first_sequence, cart_holders.first_touchpoint_id)
              > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id))
        offset 0
      ) as held
      left join holders
        on holders.site_id = held.site_id and holders.cart_id = held.cart_id and holders.person_id = held.person_id
      where work_persons.is_replayed and holders.cart_id is null
    ))
    returning cart_holders.site_id, cart_holders.cart_id
  ),

  told as (
    insert into cart_holders
    select holders.site_id, holders.cart_id, holders.person_id,
      (holders.first_key).at, (holders.first_key).sequence, (holders.first_key).touchpoint_id
    from holders
    join work_persons on work_persons.site_id = holders.site_id and work_persons.person_id = holders.person_id
    left join lateral (
      select cart_holders.first_at, cart_holders.first_sequence, cart_holders.first_touchpoint_id
      from cart_holders
      where cart_holders.site_id = holders.site_id and cart_holders.cart_id = holders.cart_id
        and cart_holders.person_id = holders.person_id
      offset 0
    ) as known on true
    where case
      when known.first_at is null then true
      -- what was done since the checkpoint is done again
      when work_persons.is_replayed and (work_persons.is_base_retained
          or (known.first_at, known.first_sequence, known.first_touchpoint_id)
            > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id))
        then known.first_touchpoint_id <> (holders.first_key).touchpoint_id
      else (known.first_at, known.first_sequence, known.first_touchpoint_id)
        > ((holders.first_key).at, (holders.first_key).sequence, (holders.first_key).touchpoint_id)
    end
    on conflict (site_id, cart_id, person_id) do update set
      first_at = excluded.first_at, first_sequence = excluded.first_sequence, first_touchpoint_id = excluded.first_touchpoint_id
    returning cart_holders.site_id, cart_holders.cart_id
  ),

  concerned as (
    select changed.site_id, orders.cart_id, orders.person_id, orders.occurred_at
    from (select gone.site_id, gone.cart_id from gone union select told.site_id, told.cart_id from told) as changed
    cross join lateral (
      select orders.cart_id, orders.person_id, orders.occurred_at
      from orders
      where orders.site_id = changed.site_id and orders.cart_id = changed.cart_id
      offset 0
    ) as orders
  )

  select array_agg(everyone.site_id), array_agg(everyone.person_id), array_agg(everyone.occurred_at)
  into changed_sites, changed_persons, changed_instants
  from (
    select concerned.site_id, concerned.person_id, concerned.occurred_at from concerned
    union
    select concerned.site_id, cart_holders.person_id, concerned.occurred_at
    from concerned
    cross join lateral (
      select cart_holders.person_id
      from cart_holders
      where cart_holders.site_id = concerned.site_id and cart_holders.cart_id = concerned.cart_id
      offset 0
    ) as cart_holders
    union
    select concerned.site_id, openings.person_id, concerned.occurred_at
    from concerned
    join openings on openings.site_id = concerned.site_id and openings.cart_id = concerned.cart_id
  ) as everyone;

  if changed_sites is not null then
    perform store.mark_replayed(changed_sites, changed_persons, changed_instants);
  end if;
end
$$;

-- The carts of a checkpoint, as the fold carries them.
create or replace function store.carts_kept(carts jsonb) returns store.cart_state[]
language plpgsql stable
as $$
begin
  return array(
    select jsonb_populate_record(null::store.cart_state, kept.cart)
    from jsonb_array_elements(carts) with ordinality as kept (cart, position)
    order by kept.position
  );
end
$$;

-- Fills work_carts for the persons at hand: from their live carts on; when replayed, from the checkpoint or the beginning.
create or replace function store.compute_carts() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_carts
  with closing as (
    -- Orders that may close a cart of somebody at hand (the holder): for who is replayed all their own, and all that name
    -- a cart id of theirs; for the others those new in this transaction.
    select work_persons.person_id as holder_id, orders.site_id, orders.order_id, orders.occurred_at, orders.first_sequence,
      orders.first_touchpoint_id, orders.cart_id, orders.person_id
    from work_persons
    cross join lateral (
      select orders.* from orders
      where orders.site_id = work_persons.site_id and orders.person_id = work_persons.person_id
        and orders.occurred_at >= work_persons.base_at
      offset 0
    ) as orders
    where work_persons.is_replayed
      and (orders.occurred_at, orders.first_sequence, orders.first_touchpoint_id)
        > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
      and (orders.occurred_at, orders.first_sequence, orders.first_touchpoint_id)
        <= (work_persons.until_at, work_persons.until_sequence, work_persons.until_touchpoint_id)
    union
    select work_persons.person_id, orders.site_id, orders.order_id, orders.occurred_at, orders.first_sequence,
      orders.first_touchpoint_id, orders.cart_id, orders.person_id
    from work_persons
    cross join lateral (
      select cart_holders.* from cart_holders
      where cart_holders.site_id = work_persons.site_id and cart_holders.person_id = work_persons.person_id
      offset 0
    ) as cart_holders
    cross join lateral (
      select orders.* from orders
      where orders.site_id = cart_holders.site_id and orders.cart_id = cart_holders.cart_id
      offset 0
    ) as orders
    where work_persons.is_replayed
      and (orders.occurred_at, orders.first_sequence, orders.first_touchpoint_id)
        > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
      and (orders.occurred_at, orders.first_sequence, orders.first_touchpoint_id)
        <= (work_persons.until_at, work_persons.until_sequence, work_persons.until_touchpoint_id)
    union
    select work_persons.person_id, orders.site_id, orders.order_id, orders.occurred_at, orders.first_sequence,
      orders.first_touchpoint_id, orders.cart_id, orders.person_id
    from work_orders
    cross join lateral (
      select orders.* from orders
      where orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
      offset 0
    ) as orders
    cross join lateral (
      select orders.person_id as holder_id
      union
      select cart_holders.person_id from cart_holders
      where cart_holders.site_id = orders.site_id and cart_holders.cart_id = orders.cart_id
    ) as holders
    join work_persons on work_persons.site_id = orders.site_id and work_persons.person_id = holders.holder_id
    where not work_persons.is_replayed and not work_orders.is_known
  ),

  happenings as (
    select
      work_persons.site_id, work_persons.person_id, work_touchpoints.name as kind, work_touchpoints.occurred_at as at,
      work_touchpoints.sequence, work_touchpoints.touchpoint_id,
      store.text_of(work_touchpoints.properties -> 'cart_id') as cart_id, work_touchpoints.properties,
      null::text as order_id, false as is_cart_known
    from work_persons
    join work_touchpoints
      on work_touchpoints.site_id = work_persons.site_id and work_touchpoints.person_id = work_persons.person_id
    where work_touchpoints.is_activity and store.cart_step_of(work_touchpoints.name) is not null
      and case when work_persons.is_replayed
        then (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
            > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
          and (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
            <= (work_persons.until_at, work_persons.until_sequence, work_persons.until_touchpoint_id)
        else work_touchpoints.is_new end

    union all

    select
      concerning.site_id, concerning.holder_id, 'order', concerning.occurred_at, concerning.first_sequence,
      concerning.first_touchpoint_id, concerning.cart_id, null, concerning.order_id, concerning.is_cart_known
    from (
      select closing.*,
        exists (
          select from cart_holders
          where cart_holders.site_id = closing.site_id and cart_holders.cart_id = closing.cart_id
            and (cart_holders.first_at, cart_holders.first_sequence, cart_holders.first_touchpoint_id)
              < (closing.occurred_at, closing.first_sequence, closing.first_touchpoint_id)
        ) as is_cart_known
      from closing
    ) as concerning
    where concerning.is_cart_known or concerning.person_id = concerning.holder_id
  ),

  live as (
    select carts.site_id, carts.person_id,
      array_agg(row(
        carts.cart_key, carts.cart_id, carts.state, carts.opened_at, carts.last_activity_at, carts.last_sequence,
        carts.last_touchpoint_id, carts.abandoned_at, carts.first_abandoned_at, carts.abandonment_count, carts.furthest_step,
        carts.lines, carts.currency, carts.recovery_url, carts.order_id, carts.closed_at
      )::store.cart_state order by carts.opened_at, carts.cart_key) as carts
    from work_persons
    cross join lateral (
      select carts.*
      from carts
      where carts.site_id = work_persons.site_id and carts.person_id = work_persons.person_id
        and carts.state in ('open', 'abandoned')
      offset 0
    ) as carts
    where not work_persons.is_replayed
    group by carts.site_id, carts.person_id

    union all

    select work_persons.site_id, work_persons.person_id, store.carts_kept(bases.carts)
    from work_persons
    cross join lateral (
      select checkpoints.carts
      from checkpoints
      where checkpoints.site_id = work_persons.site_id and checkpoints.person_id = work_persons.person_id
        and checkpoints.last_seen_at = work_persons.base_at and checkpoints.last_sequence = work_persons.base_sequence
        and checkpoints.last_touchpoint_id = work_persons.base_touchpoint_id
      offset 0
    ) as bases
    where work_persons.has_base and bases.carts is not null
  ),

  -- Whoever has something happening or a live cart is told the time as well.
  with_clock as (
    select happenings.* from happenings
    union all
    select concerned.site_id, concerned.person_id, 'clock', work_sites.as_of, null, null, null, null, null, false
    from (
      select happenings.site_id, happenings.person_id from happenings
      union select live.site_id, live.person_id from live
    ) as concerned
    join work_sites on work_sites.site_id = concerned.site_id
    join work_persons
      on work_persons.site_id = concerned.site_id and work_persons.person_id = concerned.person_id
      and work_persons.until_at = 'infinity'
  ),

  told as (
    select happenings.site_id, happenings.person_id,
      array_agg(
        row(happenings.kind, happenings.at, happenings.sequence, happenings.touchpoint_id, happenings.cart_id,
          happenings.properties, happenings.order_id, happenings.is_cart_known)::store.cart_happening
        order by happenings.kind = 'clock', happenings.at, happenings.sequence, happenings.touchpoint_id
      ) as happenings
    from with_clock as happenings
    group by happenings.site_id, happenings.person_id
  )

  select told.site_id, told.person_id, unnest(store.carts_after(
    live.carts, told.happenings, work_sites.cart_delay, work_sites.checkout_delay, work_sites.cart_expiry,
    work_sites.self_recovery_window, work_sites.currency
  ))
  from told
  join work_sites on work_sites.site_id = told.site_id
  left join live on live.site_id = told.site_id and live.person_id = told.person_id;
end
$$;

create or replace function store.derive_carts() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  perform store.compute_carts();
  perform store.recover_carts();
  if store.is_live() then
    perform store.note_carts_before();
  end if;

  delete from carts
  where carts.ctid = any (array(
    select known.place
    from work_persons
    cross join lateral (
      select carts.ctid as place, carts.cart_key
      from carts
      where carts.site_id = work_persons.site_id and carts.person_id = work_persons.person_id
        -- what was closed before the checkpoint is not done again
        and (carts.last_activity_at, carts.last_sequence, carts.last_touchpoint_id)
          > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
      offset 0
    ) as known
    where work_persons.is_replayed
      and not exists (
        select from work_carts
        where work_carts.site_id = work_persons.site_id and (work_carts.cart).cart_key = known.cart_key
      )
  ));

  insert into carts
  select
    work_carts.site_id, (work_carts.cart).cart_key, (work_carts.cart).cart_id, work_carts.person_id, (work_carts.cart).state,
    (work_carts.cart).opened_at, (work_carts.cart).last_activity_at, (work_carts.cart).last_sequence,
    (work_carts.cart).last_touchpoint_id, (work_carts.cart).abandoned_at, (work_carts.cart).first_abandoned_at,
    (work_carts.cart).abandonment_count, (work_carts.cart).furthest_step, (work_carts.cart).lines,
    store.cart_lines_count((work_carts.cart).lines),
    coalesce(plain.value, store.mixed_lines_value(
      work_carts.site_id, (work_carts.cart).lines, (work_carts.cart).currency, plain.day)), (work_carts.cart).currency,
    (work_carts.cart).recovery_url, (work_carts.cart).order_id, (work_carts.cart).closed_at,
    plain.value is null,
    case when plain.value is null then store.unconverted_lines(
      work_carts.site_id, (work_carts.cart).lines, (work_carts.cart).currency, plain.day) else 0 end
  from work_carts
  join work_sites on work_sites.site_id = work_carts.site_id
  cross join lateral (
    select store.cart_lines_value((work_carts.cart).lines, (work_carts.cart).currency) as value,
      ((work_carts.cart).last_activity_at at time zone work_sites.time_zone)::date as day
    offset 0
  ) as plain
  on conflict (site_id, cart_key) do update set
    cart_id = excluded.cart_id, person_id = excluded.person_id, state = excluded.state, opened_at = excluded.opened_at,
    last_activity_at = excluded.last_activity_at, last_sequence = excluded.last_sequence,
    last_touchpoint_id = excluded.last_touchpoint_id, abandoned_at = excluded.abandoned_at,
    first_abandoned_at = excluded.first_abandoned_at, abandonment_count = excluded.abandonment_count,
    furthest_step = excluded.furthest_step, lines = excluded.lines, item_count = excluded.item_count, value = excluded.value,
    currency = excluded.currency, recovery_url = excluded.recovery_url, order_id = excluded.order_id, closed_at = excluded.closed_at,
    is_mixed = excluded.is_mixed, unconverted_line_count = excluded.unconverted_line_count
  where carts is distinct from excluded;
  if store.is_live() then
    perform store.note_carts();
  end if;
end
$$;
