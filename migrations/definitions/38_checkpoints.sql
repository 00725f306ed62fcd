-- Checkpoints: where persons with long histories stood, so that a late touchpoint does not cost their whole history.

-- How many touchpoints of a person lie between two, at least. Tests keep them closer together.
create or replace function store.checkpoint_distance() returns integer
language sql stable
return coalesce(nullif(current_setting('milepost.checkpoint_distance', true), '')::integer, 200);

-- Keeps where persons with long histories stand now, and forgets what is kept of a time that was done again.
create or replace function store.keep_checkpoints() returns void
language plpgsql
as $$
begin
  if exists (select from work_persons where is_replayed) then
    delete from checkpoints
    where checkpoints.ctid = any (array(
      select known.place
      from work_persons
      cross join lateral (
        select checkpoints.ctid as place
        from checkpoints
        where checkpoints.site_id = work_persons.site_id and checkpoints.person_id = work_persons.person_id
          and (checkpoints.last_seen_at, checkpoints.last_sequence, checkpoints.last_touchpoint_id)
            > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
        offset 0
      ) as known
      where work_persons.is_replayed
    ));
  end if;
  if not exists (select from work_persons where is_long) then
    return;
  end if;

  with kept as (
    update persons
    set unkept_count = 0
    from work_persons
    where work_persons.is_long
      and persons.site_id = work_persons.site_id and persons.person_id = work_persons.person_id
    returning persons.*
  )

  insert into checkpoints (
    site_id, person_id, last_seen_at, last_sequence, last_touchpoint_id, valid_from, state, furthest, since, journey_number,
    last_signal_at, transition_count, last_timer_at, held_until, overridden_at, entered_stages, product_seen_at, first_channel, traits,
    carts, touchpoint_count, runaway_at
  )
  select
    kept.site_id, kept.person_id, kept.last_seen_at, kept.last_sequence, kept.last_touchpoint_id,
    greatest(kept.last_seen_at, kept.last_timer_at), kept.state, kept.furthest, kept.since, kept.journey_number,
    kept.last_signal_at, kept.transition_count, kept.last_timer_at, kept.held_until, kept.overridden_at, kept.entered_stages,
    kept.product_seen_at, kept.first_channel, kept.traits, live.carts, kept.touchpoint_count, kept.runaway_at
  from kept
  left join lateral (
    select jsonb_agg(to_jsonb(row(
      carts.cart_key, carts.cart_id, carts.state, carts.opened_at, carts.last_activity_at, carts.last_sequence,
      carts.last_touchpoint_id, carts.abandoned_at, carts.first_abandoned_at, carts.abandonment_count, carts.furthest_step,
      carts.lines, carts.currency, carts.recovery_url, carts.order_id, carts.closed_at
    )::store.cart_state) order by carts.opened_at, carts.cart_key) as carts
    from carts
    where carts.site_id = kept.site_id and carts.person_id = kept.person_id and carts.state in ('open', 'abandoned')
  ) as live on true
  on conflict do nothing;
end
$$;

-- Makes the checkpoints on the way of long stretches that were done again at once. The last thing that a transaction does:
-- it runs the folds again, piece by piece, over what is on the workbench.
create or replace function store.keep_checkpoints_on_the_way() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
declare
  distance integer := store.checkpoint_distance();
  piece_count integer;
begin
  if not exists (select from work_persons where is_replayed and is_long) then
    return;
  end if;

  insert into work_pieces
  select placed.site_id, placed.person_id, placed.position / placed.size, placed.occurred_at, placed.sequence, placed.touchpoint_id
  from (
    select work_persons.site_id, work_persons.person_id, work_touchpoints.occurred_at, work_touchpoints.sequence,
      work_touchpoints.touchpoint_id,
      row_number() over (
        partition by work_persons.site_id, work_persons.person_id
        order by work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id
      ) as position,
      count(*) over person_rows as total,
      greatest(distance, count(*) over person_rows / 100) as size
    from work_persons
    join work_touchpoints
      on work_touchpoints.site_id = work_persons.site_id and work_touchpoints.person_id = work_persons.person_id
    where work_persons.is_replayed and work_persons.is_long
      and (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
        > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
    window person_rows as (partition by work_persons.site_id, work_persons.person_id)
  ) as placed
  where placed.total >= 2 * distance and placed.position % placed.size = 0 and placed.position < placed.total;
  select max(work_pieces.piece) into piece_count from work_pieces;
  if piece_count is null then
    return;
  end if;

  for the_piece in 1 .. piece_count loop
    delete from work_persons
    where not exists (
      select from work_pieces
      where work_pieces.site_id = work_persons.site_id and work_pieces.person_id = work_persons.person_id
        and work_pieces.piece = the_piece
    );
    update work_persons
    set until_at = work_pieces.at, until_sequence = work_pieces.sequence, until_touchpoint_id = work_pieces.touchpoint_id
    from work_pieces
    where work_pieces.site_id = work_persons.site_id and work_pieces.person_id = work_persons.person_id
      and work_pieces.piece = the_piece;
    delete from work_carts;
    delete from work_stages;
    perform store.compute_carts();
    perform store.compute_stages();
    perform store.keep_piece();
    update work_persons
    set has_base = true, base_at = until_at, base_sequence = until_sequence, base_touchpoint_id = until_touchpoint_id;
  end loop;
end
$$;

-- Writes the checkpoint at the end of a piece, from the one at its beginning.
create or replace function store.keep_piece() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into checkpoints (
    site_id, person_id, last_seen_at, last_sequence, last_touchpoint_id, valid_from, state, furthest, since, journey_number,
    last_signal_at, transition_count, last_timer_at, held_until, overridden_at, entered_stages, product_seen_at, first_channel, traits,
    carts, touchpoint_count, runaway_at
  )
  with seen as (
    select work_persons.site_id, work_persons.person_id, count(*) as touchpoint_count,
      array_agg(work_touchpoints.traits
        order by work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
        filter (where work_touchpoints.traits is not null) as traits_told,
      (array_agg(work_touchpoints.touchpoint_id
        order by work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
        filter (where work_touchpoints.is_activity))[1] as first_activity_id,
      max(work_touchpoints.occurred_at)
        filter (where work_touchpoints.name = 'view_item' and work_touchpoints.is_activity) as product_seen_at
    from work_persons
    join work_touchpoints
      on work_touchpoints.site_id = work_persons.site_id and work_touchpoints.person_id = work_persons.person_id
    where (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
        > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
      and (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
        <= (work_persons.until_at, work_persons.until_sequence, work_persons.until_touchpoint_id)
    group by work_persons.site_id, work_persons.person_id
  )

  select
    work_persons.site_id, work_persons.person_id, work_persons.until_at, work_persons.until_sequence,
    work_persons.until_touchpoint_id,
    greatest(work_persons.until_at, work_stages.last_timer_at, live.last_timer_at, bases.valid_from),
    work_stages.state, work_stages.furthest, work_stages.since,
    work_stages.journey_number, work_stages.last_signal_at, work_stages.transition_count,
    greatest(work_stages.last_timer_at, live.last_timer_at, bases.last_timer_at),
    work_stages.held_until, work_stages.overridden_at,
    coalesce(bases.entered_stages, 0) | store.stages_entered(work_stages.moves),
    greatest(bases.product_seen_at, seen.product_seen_at),
    coalesce(bases.first_channel, store.channel_of_first(work_persons.site_id, seen.first_activity_id)),
    case when seen.traits_told is not null then store.traits_after(bases.traits, seen.traits_told) else bases.traits end,
    -- Where nothing happened to carts, there is no row.
    case when live.person_id is null then bases.carts else live.carts end,
    coalesce(bases.touchpoint_count, 0) + seen.touchpoint_count,
    (
      select persons.runaway_at
      from persons
      where persons.site_id = work_persons.site_id and persons.person_id = work_persons.person_id
        and persons.runaway_at <= work_persons.until_at
    )
  from work_persons
  join work_stages on work_stages.site_id = work_persons.site_id and work_stages.person_id = work_persons.person_id
  join seen on seen.site_id = work_persons.site_id and seen.person_id = work_persons.person_id
  left join lateral (
    select checkpoints.*
    from checkpoints
    where work_persons.has_base
      and checkpoints.site_id = work_persons.site_id and checkpoints.person_id = work_persons.person_id
      and checkpoints.last_seen_at = work_persons.base_at and checkpoints.last_sequence = work_persons.base_sequence
      and checkpoints.last_touchpoint_id = work_persons.base_touchpoint_id
    offset 0
  ) as bases on true
  left join (
    select work_carts.site_id, work_carts.person_id,
      jsonb_agg(to_jsonb(work_carts.cart) order by (work_carts.cart).opened_at, (work_carts.cart).cart_key)
        filter (where (work_carts.cart).state in ('open', 'abandoned')) as carts,
      max(greatest((work_carts.cart).abandoned_at, (work_carts.cart).closed_at)) as last_timer_at
    from work_carts
    group by work_carts.site_id, work_carts.person_id
  ) as live on live.site_id = work_persons.site_id and live.person_id = work_persons.person_id
  on conflict do nothing;
end
$$;
