-- Identity (SEMANTICS 3). Each identity has a short ordered list of the users seen with it, its spells; that list says
-- whose a touchpoint is. The first user gets the identity's whole past, a later one only what follows.

create or replace function store.derive_identities() returns void
language plpgsql
as $$
begin
  -- Which identities are at hand: which of them merely go on, with no user they were not seen with by then, and which got
  -- a touchpoint older than their last.
  insert into work_identities (site_id, identity_id, is_replayed, is_steady, late_at)
  select
    seen.site_id, seen.identity_id, bool_or(seen.is_change) and bool_or(seen.is_late), not bool_or(seen.is_change),
    min(seen.occurred_at) filter (where seen.is_late)
  from (
    select
      work_touchpoints.site_id, work_touchpoints.identity_id, work_touchpoints.occurred_at,
      -- a user id has one spell for ever: nothing in it depends on order
      case
        when last_spell.type is null then true
        when last_spell.type = 'user_id' or work_touchpoints.user_id is null then false
        when (last_spell.from_at, last_spell.from_sequence, last_spell.from_touchpoint_id)
          <= (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
          then work_touchpoints.user_id is distinct from last_spell.user_id
        else work_touchpoints.user_id is distinct from (
          select identities.user_id
          from identities
          where identities.site_id = work_touchpoints.site_id and identities.identity_id = work_touchpoints.identity_id
            and (identities.from_at, identities.from_sequence, identities.from_touchpoint_id)
              <= (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
          order by identities.spell desc
          limit 1
        )
      end as is_change,
      coalesce(last_spell.type <> 'user_id'
        and (last_spell.last_seen_at, last_spell.last_sequence, last_spell.last_touchpoint_id)
          > (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id), false) as is_late
    from work_touchpoints
    left join lateral (
      select identities.type, identities.user_id, identities.from_at, identities.from_sequence, identities.from_touchpoint_id,
        identities.last_seen_at, identities.last_sequence, identities.last_touchpoint_id
      from identities
      where identities.site_id = work_touchpoints.site_id and identities.identity_id = work_touchpoints.identity_id
      order by identities.spell desc
      limit 1
    ) as last_spell on true
    where work_touchpoints.is_new
  ) as seen
  group by seen.site_id, seen.identity_id
  on conflict do nothing;

  perform store.lengthen_spells();
  perform store.load_replays();
  perform store.compute_spells();
  perform store.store_spells();
  perform store.store_user_identities();
  if exists (select from work_identities where is_steady and late_at is not null) then
    perform store.lengthen_late_spells();
  end if;
end
$$;

-- Late touchpoints that change no spell, but when it was seen. On a shared browser they can cut the sessions of any of its
-- persons.
create or replace function store.lengthen_late_spells() returns void
language plpgsql
as $$
declare
  shared_sites integer[];
  shared_persons uuid[];
  shared_instants timestamptz[];
begin
  update identities
  set first_seen_at = least(identities.first_seen_at, seen.first_seen_at),
    (last_seen_at, last_sequence, last_touchpoint_id) = (
      select latest.at, latest.sequence, latest.touchpoint_id
      from (
        values (identities.last_seen_at, identities.last_sequence, identities.last_touchpoint_id),
          ((seen.last_key).at, (seen.last_key).sequence, (seen.last_key).touchpoint_id)
      ) as latest (at, sequence, touchpoint_id)
      order by latest.at desc, latest.sequence desc, latest.touchpoint_id desc
      limit 1
    )
  from (
    select work_identities.site_id, work_identities.identity_id, covering.spell,
      min(work_touchpoints.occurred_at) as first_seen_at,
      (array_agg(row(work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)::store.order_key
        order by work_touchpoints.occurred_at desc, work_touchpoints.sequence desc, work_touchpoints.touchpoint_id desc))[1] as last_key
    from work_identities
    join work_touchpoints
      on work_touchpoints.site_id = work_identities.site_id and work_touchpoints.identity_id = work_identities.identity_id
    cross join lateral (
      select identities.spell
      from identities
      where identities.site_id = work_touchpoints.site_id and identities.identity_id = work_touchpoints.identity_id
        and (identities.from_at, identities.from_sequence, identities.from_touchpoint_id)
          <= (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
      order by identities.spell desc
      limit 1
    ) as covering
    where work_identities.is_steady and work_identities.late_at is not null and work_touchpoints.is_new
    group by work_identities.site_id, work_identities.identity_id, covering.spell
  ) as seen
  where identities.site_id = seen.site_id and identities.identity_id = seen.identity_id and identities.spell = seen.spell;

  select array_agg(shared.site_id), array_agg(shared.person_id), array_agg(shared.late_at)
  into shared_sites, shared_persons, shared_instants
  from (
    select work_identities.site_id, identities.person_id, work_identities.late_at,
      count(*) over (partition by work_identities.site_id, work_identities.identity_id) as spell_count
    from work_identities
    cross join lateral (
      select identities.person_id
      from identities
      where identities.site_id = work_identities.site_id and identities.identity_id = work_identities.identity_id
      offset 0
    ) as identities
    where work_identities.is_steady and work_identities.late_at is not null
  ) as shared
  where shared.spell_count > 1;
  if shared_sites is not null then
    perform store.mark_replayed(shared_sites, shared_persons, shared_instants);
  end if;
end
$$;

-- The common case: the last spell goes on.
create or replace function store.lengthen_spells() returns void
language plpgsql
as $$
begin
  perform store.collect_latest_seen();
  insert into identities
  select
    last_spell.site_id, last_spell.identity_id, last_spell.spell, last_spell.type, last_spell.value, last_spell.user_id,
    last_spell.person_id, last_spell.former_person_id, last_spell.from_at, last_spell.from_sequence,
    last_spell.from_touchpoint_id, last_spell.first_seen_at, latest.last_seen_at, latest.last_sequence,
    latest.last_touchpoint_id
  from work_latest_seen as latest
  cross join lateral (
    select identities.*
    from identities
    where identities.site_id = latest.site_id and identities.identity_id = latest.identity_id
    order by identities.spell desc
    limit 1
  ) as last_spell
  on conflict (site_id, identity_id, spell) do update set
    last_seen_at = excluded.last_seen_at, last_sequence = excluded.last_sequence,
    last_touchpoint_id = excluded.last_touchpoint_id;
end
$$;

create or replace function store.collect_latest_seen() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_latest_seen
  select distinct on (work_touchpoints.site_id, work_touchpoints.identity_id)
    work_touchpoints.site_id, work_touchpoints.identity_id, work_touchpoints.occurred_at, work_touchpoints.sequence,
    work_touchpoints.touchpoint_id
  from work_identities
  join work_touchpoints
    on work_touchpoints.site_id = work_identities.site_id and work_touchpoints.identity_id = work_identities.identity_id
  where work_identities.is_steady and work_identities.late_at is null
    and (work_touchpoints.anonymous_id is not null or work_touchpoints.user_id is null)
  order by work_touchpoints.site_id, work_touchpoints.identity_id, work_touchpoints.occurred_at desc,
    work_touchpoints.sequence desc, work_touchpoints.touchpoint_id desc;
end
$$;

-- Fills work_spells for the identities at hand that do not merely go on: from their last spell on, or from the beginning when replayed.
create or replace function store.compute_spells() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_spells
  with rows_at_hand as (
    select
      work_touchpoints.site_id, work_touchpoints.identity_id,
      work_touchpoints.occurred_at as at, work_touchpoints.sequence, work_touchpoints.touchpoint_id,
      case when work_touchpoints.anonymous_id is not null then 'anonymous_id' else coalesce(typed.type, 'unknown') end as type,
      coalesce(work_touchpoints.anonymous_id, typed.value, work_touchpoints.identity_id::text) as value,
      work_touchpoints.user_id,
      null::smallint as seed_spell, null::timestamptz as seed_first_seen_at,
      work_touchpoints.occurred_at as last_seen_at, work_touchpoints.sequence as last_sequence,
      work_touchpoints.touchpoint_id as last_touchpoint_id
    from work_touchpoints
    join work_identities
      on work_identities.site_id = work_touchpoints.site_id
      and work_identities.identity_id = work_touchpoints.identity_id
    left join lateral (
      select typed_identities.key as type, typed_values.value
      from jsonb_each(work_touchpoints.identities) as typed_identities (key, value)
      cross join lateral jsonb_array_elements_text(
        case when jsonb_typeof(typed_identities.value) = 'array' then typed_identities.value
        else jsonb_build_array(typed_identities.value) end) as typed_values (value)
      where work_touchpoints.anonymous_id is null and work_touchpoints.user_id is null
        and store.identity_id(typed_identities.key, typed_values.value) = work_touchpoints.identity_id
      limit 1
    ) as typed on true
    where not work_identities.is_steady
      and (work_identities.is_replayed or work_touchpoints.is_new)
      and (work_touchpoints.anonymous_id is not null or work_touchpoints.user_id is null)

    union all

    select
      identities.site_id, identities.identity_id,
      identities.from_at, identities.from_sequence, identities.from_touchpoint_id,
      identities.type, identities.value, identities.user_id,
      identities.spell, identities.first_seen_at,
      identities.last_seen_at, identities.last_sequence, identities.last_touchpoint_id
    from work_identities
    cross join lateral (
      select identities.*
      from identities
      where identities.site_id = work_identities.site_id and identities.identity_id = work_identities.identity_id
      order by identities.spell desc
      limit 1
    ) as identities
    where not work_identities.is_steady and not work_identities.is_replayed and identities.type <> 'user_id'
  ),

  changes as (
    select
      rows_at_hand.*,
      rows_at_hand.user_id is not null and rows_at_hand.user_id is distinct from lag(rows_at_hand.user_id) over (
        partition by rows_at_hand.site_id, rows_at_hand.identity_id, rows_at_hand.user_id is null
        order by rows_at_hand.at, rows_at_hand.sequence, rows_at_hand.touchpoint_id
      ) as is_change
    from rows_at_hand
  ),

  numbered as (
    select
      changes.*,
      greatest(1,
        max(changes.seed_spell - case when changes.user_id is null then 0 else 1 end)
          filter (where changes.seed_spell > 1 or changes.user_id is not null) over identity_rows
        + count(*) filter (where changes.is_change) over by_time,
        count(*) filter (where changes.is_change) over by_time
      )::smallint as spell
    from changes
    window
      identity_rows as (partition by changes.site_id, changes.identity_id),
      by_time as (
        partition by changes.site_id, changes.identity_id
        order by changes.at, changes.sequence, changes.touchpoint_id
      )
  ),

  spells as (
    select
      numbered.site_id, numbered.identity_id, numbered.spell,
      max(numbered.type) as type,
      max(numbered.value) as value,
      max(numbered.user_id) as user_id,
      (array_agg(row(numbered.at, numbered.sequence, numbered.touchpoint_id)::store.order_key
        order by numbered.at, numbered.sequence, numbered.touchpoint_id))[1] as from_key,
      min(coalesce(numbered.seed_first_seen_at, numbered.last_seen_at)) as first_seen_at,
      (array_agg(row(numbered.last_seen_at, numbered.last_sequence, numbered.last_touchpoint_id)::store.order_key
        order by numbered.at desc, numbered.sequence desc, numbered.touchpoint_id desc))[1] as last_key
    from numbered
    group by numbered.site_id, numbered.identity_id, numbered.spell
  )

  select
    spells.site_id, spells.identity_id, spells.spell, spells.type, spells.value, spells.user_id,
    case
      when spells.user_id is null then store.keyed_person_id(work_sites.inner_key, work_sites.outer_key, spells.type, spells.value)
      else store.keyed_person_id(work_sites.inner_key, work_sites.outer_key, 'user_id', spells.user_id)
    end,
    case when spells.user_id is not null and spells.spell = 1
      then store.keyed_person_id(work_sites.inner_key, work_sites.outer_key, spells.type, spells.value) end,
    case when spells.spell = 1 then '-infinity' else (spells.from_key).at end,
    case when spells.spell = 1 then 0 else (spells.from_key).sequence end,
    case when spells.spell = 1 then '00000000-0000-0000-0000-000000000000' else (spells.from_key).touchpoint_id end,
    spells.first_seen_at,
    (spells.last_key).at, (spells.last_key).sequence, (spells.last_key).touchpoint_id
  from spells
  join work_sites on work_sites.site_id = spells.site_id;
end
$$;

-- Writes what changed, and marks for replay every person whose touchpoints now belong to another.
create or replace function store.store_spells() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
declare
  moved_sites integer[];
  moved_persons uuid[];
  moved_instants timestamptz[];
begin
  with moved_identities as (
    -- Spells that were there and now are somebody else's, begin elsewhere, or are gone.
    select identities.site_id, identities.identity_id
    from work_identities
    cross join lateral (
      select identities.*
      from identities
      where identities.site_id = work_identities.site_id and identities.identity_id = work_identities.identity_id
      offset 0
    ) as identities
    left join work_spells
      on work_spells.site_id = identities.site_id and work_spells.identity_id = identities.identity_id
      and work_spells.spell = identities.spell
    where identities.type <> 'user_id' and not work_identities.is_steady
      and case when work_spells.site_id is null then work_identities.is_replayed
      else (identities.person_id, identities.from_at, identities.from_sequence, identities.from_touchpoint_id)
        is distinct from (work_spells.person_id, work_spells.from_at, work_spells.from_sequence, work_spells.from_touchpoint_id) end
    union
    -- A late touchpoint on a shared browser can cut the sessions of any of its persons, or begin a spell in the past.
    select work_spells.site_id, work_spells.identity_id
    from work_identities
    join work_spells
      on work_spells.site_id = work_identities.site_id and work_spells.identity_id = work_identities.identity_id
    where work_identities.is_replayed
    group by work_spells.site_id, work_spells.identity_id
    having count(*) > 1
  ),

  -- Whose they were and are, and from when on: the identity's first touchpoint may be the one that moves.
  moved as (
    select moved_identities.site_id, moved_identities.identity_id, identities.person_id, identities.first_seen_at
    from moved_identities
    cross join lateral (
      select identities.person_id, identities.first_seen_at
      from identities
      where identities.site_id = moved_identities.site_id and identities.identity_id = moved_identities.identity_id
      offset 0
    ) as identities
    union
    select moved_identities.site_id, moved_identities.identity_id, work_spells.person_id, work_spells.first_seen_at
    from moved_identities
    join work_spells
      on work_spells.site_id = moved_identities.site_id and work_spells.identity_id = moved_identities.identity_id
  )

  select array_agg(dated.site_id), array_agg(dated.person_id), array_agg(dated.from_at)
  into moved_sites, moved_persons, moved_instants
  from (
    select moved.site_id, moved.person_id,
      min(moved.first_seen_at) over (partition by moved.site_id, moved.identity_id) as from_at
    from moved
  ) as dated;

  delete from identities
  where identities.ctid = any (array(
    select known.place
    from work_identities
    cross join lateral (
      select identities.ctid as place, identities.spell
      from identities
      where identities.site_id = work_identities.site_id and identities.identity_id = work_identities.identity_id
        and identities.type <> 'user_id'
      offset 0
    ) as known
    where work_identities.is_replayed
      and not exists (
        select from work_spells
        where work_spells.site_id = work_identities.site_id and work_spells.identity_id = work_identities.identity_id
          and work_spells.spell = known.spell
      )
  ));

  insert into identities
  select
    work_spells.site_id, work_spells.identity_id, work_spells.spell, work_spells.type, work_spells.value, work_spells.user_id,
    work_spells.person_id, work_spells.former_person_id, work_spells.from_at, work_spells.from_sequence,
    work_spells.from_touchpoint_id, work_spells.first_seen_at, work_spells.last_seen_at, work_spells.last_sequence,
    work_spells.last_touchpoint_id
  from work_spells
  on conflict (site_id, identity_id, spell) do update set
    user_id = excluded.user_id, person_id = excluded.person_id, former_person_id = excluded.former_person_id,
    from_at = excluded.from_at, from_sequence = excluded.from_sequence, from_touchpoint_id = excluded.from_touchpoint_id,
    first_seen_at = excluded.first_seen_at, last_seen_at = excluded.last_seen_at, last_sequence = excluded.last_sequence,
    last_touchpoint_id = excluded.last_touchpoint_id;

  if moved_sites is not null then
    perform store.mark_replayed(moved_sites, moved_persons, moved_instants);
  end if;
end
$$;

-- A user id's own row: seen by every touchpoint that carries it, in whatever order.
create or replace function store.store_user_identities() returns void
language plpgsql
as $$
begin
  insert into identities
  select
    seen.site_id, store.identity_id('user_id', seen.user_id), 1, 'user_id', seen.user_id, seen.user_id,
    store.keyed_person_id(work_sites.inner_key, work_sites.outer_key, 'user_id', seen.user_id), null,
    '-infinity', 0, '00000000-0000-0000-0000-000000000000',
    seen.first_seen_at, seen.last_seen_at, 0, '00000000-0000-0000-0000-000000000000'
  from (
    select work_touchpoints.site_id, work_touchpoints.user_id,
      min(work_touchpoints.occurred_at) as first_seen_at, max(work_touchpoints.occurred_at) as last_seen_at
    from work_touchpoints
    where work_touchpoints.is_new and work_touchpoints.user_id is not null
    group by work_touchpoints.site_id, work_touchpoints.user_id
  ) as seen
  join work_sites on work_sites.site_id = seen.site_id
  order by seen.site_id, seen.user_id -- two that write the same ones do not wait for each other crosswise
  on conflict (site_id, identity_id, spell) do update set
    first_seen_at = least(identities.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(identities.last_seen_at, excluded.last_seen_at);
end
$$;
