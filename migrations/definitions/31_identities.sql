-- Identity (SEMANTICS 3). Each identity has a short ordered list of the users seen with it, its spells; that list says
-- whose a touchpoint is. The first user gets the identity's whole past, a later one only what follows.

create or replace function store.derive_identities() returns void
language plpgsql
as $$
begin
  perform store.mark_identities();

  -- A user who was told of an identity before it was seen has no spell yet; a late touchpoint may be the first of it.
  update work_identities
  set is_steady = false, is_replayed = true
  where work_identities.is_steady and work_identities.late_at is not null
    and (
      select true
      from identity_links
      where identity_links.site_id = work_identities.site_id and identity_links.identity_id = work_identities.identity_id
        and identity_links.kind = 'join' and (identity_links.cause = 'alias' or identity_links.correction = 'merge')
      limit 1
    );

  perform store.collect_links();
  if exists (select from work_sightings) then
    perform store.collect_sighted_identities();
  end if;
  perform store.derive_links();
  perform store.lengthen_spells();
  perform store.load_replays();
  update work_identities set is_steady = false where is_replayed and is_steady;
  perform store.load_sightings();
  perform store.compute_spells();
  perform store.store_spells();
  -- Whoever was replayed for a merged user id may have got more identities by now.
  update work_persons set is_loaded = false where is_loaded;
  perform store.store_user_identities();
  if exists (select from work_identities where is_steady and late_at is not null) then
    perform store.lengthen_late_spells();
  end if;
end
$$;

-- Which identities are at hand: which of them merely go on, with no user they were not seen with by then, and which got a
-- touchpoint older than their last.
create or replace function store.mark_identities() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_identities (site_id, identity_id, is_replayed, is_steady, late_at)
  select
    seen.site_id, seen.identity_id,
    bool_or(seen.is_change) and bool_or(seen.is_late) or bool_or(seen.is_change and seen.is_baseless),
    not bool_or(seen.is_change),
    min(seen.occurred_at) filter (where seen.is_late)
  from (
    select
      work_touchpoints.site_id, work_touchpoints.identity_id, work_touchpoints.occurred_at,
      -- a user id has one spell for ever: nothing in it depends on order
      case
        when last_spells.type is null then true
        when last_spells.type = 'user_id' then false
        when (last_spells.from_at, last_spells.from_sequence, last_spells.from_touchpoint_id)
          <= (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
          then not store.is_going_on(last_spells.user_id, last_spells.is_refused, work_touchpoints.user_id)
        else (
          select not store.is_going_on(identities.user_id, identities.is_refused, work_touchpoints.user_id)
          from identities
          where identities.site_id = work_touchpoints.site_id and identities.identity_id = work_touchpoints.identity_id
            and (identities.from_at, identities.from_sequence, identities.from_touchpoint_id)
              <= (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
          order by identities.spell desc
          limit 1
        )
      end as is_change,
      coalesce(last_spells.type <> 'user_id'
        and (last_spells.last_seen_at, last_spells.last_sequence, last_spells.last_touchpoint_id)
          > (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id), false) as is_late,
      -- nobody's after a spell of its own: the first user to come changes the spells before, too
      coalesce(last_spells.spell > 1
        and case when last_spells.is_refused then last_spells.base_user_id else last_spells.user_id end is null, false) as is_baseless
    from work_touchpoints
    left join work_last_spells as last_spells
      on last_spells.site_id = work_touchpoints.site_id and last_spells.identity_id = work_touchpoints.identity_id
    where work_touchpoints.is_new
  ) as seen
  where not exists (
    select from work_identities
    where work_identities.site_id = seen.site_id and work_identities.identity_id = seen.identity_id
  )
  group by seen.site_id, seen.identity_id;
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

-- Whether a touchpoint with that user, or none, goes on with a spell. A refused one holds only what carries its user.
create or replace function store.is_going_on(spell_user_id text, is_refused boolean, user_id text) returns boolean
language sql immutable parallel safe
return (user_id is null and not is_refused) or (user_id is not null and spell_user_id is not distinct from user_id);

-- The common case: the last spell goes on. Those of touchpoints' own identities are changed where they stand.
create or replace function store.lengthen_spells() returns void
language plpgsql
as $$
begin
  perform store.collect_latest_seen();
  update identities
  set last_seen_at = latest.last_seen_at, last_sequence = latest.last_sequence, last_touchpoint_id = latest.last_touchpoint_id
  from work_latest_seen as latest
  where identities.ctid = latest.place;

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
  where latest.place is null
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
  select last_spells.place, latest.*
  from (
    select distinct on (seen.site_id, seen.identity_id)
      seen.site_id, seen.identity_id, seen.occurred_at, seen.sequence, seen.touchpoint_id
    from work_identities
    join (
      select work_touchpoints.site_id, work_touchpoints.identity_id, work_touchpoints.occurred_at, work_touchpoints.sequence,
        work_touchpoints.touchpoint_id
      from work_touchpoints
      where work_touchpoints.anonymous_id is not null or work_touchpoints.user_id is null
      union all
      select work_sightings.site_id, work_sightings.identity_id, work_sightings.occurred_at, work_sightings.sequence,
        work_sightings.touchpoint_id
      from work_sightings
    ) as seen
      on seen.site_id = work_identities.site_id and seen.identity_id = work_identities.identity_id
    where work_identities.is_steady and work_identities.late_at is null
    order by seen.site_id, seen.identity_id, seen.occurred_at desc, seen.sequence desc, seen.touchpoint_id desc
  ) as latest
  left join work_last_spells as last_spells
    on last_spells.site_id = latest.site_id and last_spells.identity_id = latest.identity_id;
end
$$;

-- Fills work_spells for the identities at hand that do not merely go on: from their last spell on, or from the beginning when replayed.
create or replace function store.compute_spells() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
declare
  is_any_assigned boolean := exists (
    select from work_sites
    cross join lateral (
      select true from identity_assignments where identity_assignments.site_id = work_sites.site_id limit 1
    ) as assigned
  );
begin
  insert into work_spells
  with seen as (
    select
      work_touchpoints.site_id, work_touchpoints.identity_id,
      work_touchpoints.occurred_at as at, work_touchpoints.sequence, work_touchpoints.touchpoint_id,
      case when work_touchpoints.anonymous_id is not null then 'anonymous_id' else coalesce(typed.type, 'unknown') end as type,
      coalesce(work_touchpoints.anonymous_id, typed.value, work_touchpoints.identity_id::text) as value,
      work_touchpoints.user_id
    from work_touchpoints
    join work_identities
      on work_identities.site_id = work_touchpoints.site_id
      and work_identities.identity_id = work_touchpoints.identity_id
    left join lateral (
      select typed_identities.type, typed_identities.value
      from store.typed_identities(work_touchpoints.identities) as typed_identities
      where work_touchpoints.anonymous_id is null and work_touchpoints.user_id is null
        and store.identity_id(typed_identities.type, typed_identities.value) = work_touchpoints.identity_id
      limit 1
    ) as typed on true
    where not work_identities.is_steady
      and (work_identities.is_replayed or work_touchpoints.is_new)
      and (work_touchpoints.anonymous_id is not null or work_touchpoints.user_id is null)

    union all

    select
      work_sightings.site_id, work_sightings.identity_id,
      work_sightings.occurred_at, work_sightings.sequence, work_sightings.touchpoint_id,
      work_sightings.type, work_sightings.value, work_sightings.user_id
    from work_sightings
    join work_identities
      on work_identities.site_id = work_sightings.site_id
      and work_identities.identity_id = work_sightings.identity_id
    where not work_identities.is_steady
      and (work_identities.is_replayed or work_sightings.is_new)
  ),

  seeds as (
    select identities.*
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

  refused as (
    select work_identities.site_id, work_identities.identity_id, links.user_id
    from work_identities
    cross join lateral (
      select identity_links.other_value as user_id
      from identity_links
      where identity_links.site_id = work_identities.site_id and identity_links.identity_id = work_identities.identity_id
        and identity_links.kind = 'join' and identity_links.state = 'refused'
      offset 0
    ) as links
    where not work_identities.is_steady
  ),

  rows_at_hand as (
    select
      seen.site_id, seen.identity_id, seen.at, seen.sequence, seen.touchpoint_id, seen.type, seen.value,
      seen.user_id, refused.user_id is not null as is_refused, case when refused.user_id is null then seen.user_id end as base_user_id,
      false as is_told, null::smallint as seed_spell, null::timestamptz as seed_first_seen_at,
      seen.at as last_seen_at, seen.sequence as last_sequence, seen.touchpoint_id as last_touchpoint_id
    from seen
    left join refused
      on refused.site_id = seen.site_id and refused.identity_id = seen.identity_id and refused.user_id = seen.user_id

    union all

    select
      seeds.site_id, seeds.identity_id, seeds.from_at, seeds.from_sequence, seeds.from_touchpoint_id, seeds.type, seeds.value,
      seeds.user_id, seeds.is_refused, case when seeds.is_refused then seeds.base_user_id else seeds.user_id end,
      false, seeds.spell, seeds.first_seen_at,
      seeds.last_seen_at, seeds.last_sequence, seeds.last_touchpoint_id
    from seeds

    union all

    -- Users that an alias or somebody told of the identity.
    select
      work_identities.site_id, work_identities.identity_id, told.at, told.sequence, told.touchpoint_id, told.type, told.value,
      told.user_id, false, told.user_id, true, null, null, null, null, null
    from work_identities
    cross join lateral (
      select
        case when identity_links.correction = 'merge' then '-infinity' else identity_links.at end as at,
        -- of several told by hand the latest
        case when identity_links.correction = 'merge' then -(extract(epoch from identity_links.corrected_at) * 1000000)::bigint
          else identity_links.sequence end as sequence,
        case when identity_links.correction = 'merge' then identity_links.other_id else identity_links.touchpoint_id end as touchpoint_id,
        identity_links.type, identity_links.value,
        identity_links.other_value as user_id
      from identity_links
      where identity_links.site_id = work_identities.site_id and identity_links.identity_id = work_identities.identity_id
        and identity_links.kind = 'join' and (identity_links.cause = 'alias' or identity_links.correction = 'merge')
        and identity_links.state = 'accepted'
      offset 0
    ) as told
    left join seeds on seeds.site_id = work_identities.site_id and seeds.identity_id = work_identities.identity_id
    where not work_identities.is_steady and seeds.site_id is null
  ),

  -- What is told counts only where no user was known before.
  effective as (
    select counted.*
    from (
      select rows_at_hand.*, count(rows_at_hand.base_user_id) over (
        partition by rows_at_hand.site_id, rows_at_hand.identity_id
        order by rows_at_hand.at, rows_at_hand.sequence, rows_at_hand.touchpoint_id, rows_at_hand.is_told
        rows unbounded preceding
      ) as base_number
      from rows_at_hand
    ) as counted
    where not counted.is_told or counted.base_number = 1
  ),

  based as (
    select effective.*,
      max(effective.base_user_id) over base_rows as current_base,
      first_value(effective.base_user_id) over identity_rows as first_base
    from (
      select effective.*, count(effective.base_user_id) over (
        partition by effective.site_id, effective.identity_id
        order by effective.at, effective.sequence, effective.touchpoint_id, effective.is_told
        rows unbounded preceding
      ) as base
      from effective
    ) as effective
    window
      base_rows as (partition by effective.site_id, effective.identity_id, effective.base),
      identity_rows as (
        partition by effective.site_id, effective.identity_id
        order by effective.base_user_id is null, effective.at, effective.sequence, effective.touchpoint_id
      )
  ),

  changes as (
    select changed.*,
      count(*) filter (where changed.is_change) over (
        partition by changed.site_id, changed.identity_id
        order by changed.at, changed.sequence, changed.touchpoint_id, changed.is_told
        rows unbounded preceding
      ) as run
    from (
      select owned.*,
        owned.owner_id is distinct from lag(owned.owner_id) over (
          partition by owned.site_id, owned.identity_id
          order by owned.at, owned.sequence, owned.touchpoint_id, owned.is_told
        ) as is_change
      from (
        select based.*, coalesce(based.user_id, based.current_base, based.first_base) as owner_id from based
      ) as owned
    ) as changed
  ),

  runs as (
    select
      changes.site_id, changes.identity_id, changes.run,
      min(changes.seed_spell) as seed_spell,
      max(changes.type) as type,
      max(changes.value) as value,
      max(changes.owner_id) as user_id,
      bool_or(changes.is_refused) as is_refused,
      max(changes.current_base) as base_user_id,
      (array_agg(row(changes.at, changes.sequence, changes.touchpoint_id)::store.order_key
        order by changes.at, changes.sequence, changes.touchpoint_id) filter (where not changes.is_told))[1] as from_key,
      min(coalesce(changes.seed_first_seen_at, changes.last_seen_at)) as first_seen_at,
      (array_agg(row(changes.last_seen_at, changes.last_sequence, changes.last_touchpoint_id)::store.order_key
        order by changes.at desc, changes.sequence desc, changes.touchpoint_id desc) filter (where not changes.is_told))[1] as last_key
    from changes
    group by changes.site_id, changes.identity_id, changes.run
    having bool_or(not changes.is_told)
  ),

  spells as (
    select runs.*,
      (coalesce(min(runs.seed_spell) over (partition by runs.site_id, runs.identity_id), 1) - 1
        + row_number() over (partition by runs.site_id, runs.identity_id order by runs.run))::smallint as spell
    from runs
  ),

  anchored as (
    select spells.*, work_sites.inner_key, work_sites.outer_key,
      case when spells.user_id is null then coalesce(merged.anchor_type, assigned.anchor_type, spells.type) else 'user_id' end as anchor_type,
      case when spells.user_id is null then coalesce(merged.anchor_value, assigned.anchor_value, spells.value)
        else coalesce(merged.anchor_value, spells.user_id) end as anchor_value
    from spells
    join work_sites on work_sites.site_id = spells.site_id
    left join lateral (
      select identity_assignments.anchor_type, identity_assignments.anchor_value
      from identity_assignments
      where is_any_assigned and spells.user_id is null
        and identity_assignments.site_id = spells.site_id and identity_assignments.identity_id = spells.identity_id
      offset 0
    ) as assigned on true
    left join lateral (
      select identity_assignments.anchor_type, identity_assignments.anchor_value
      from identity_assignments
      where is_any_assigned and (spells.user_id is not null or assigned.anchor_type = 'user_id')
        and identity_assignments.site_id = spells.site_id
        and identity_assignments.identity_id = store.identity_id('user_id', coalesce(spells.user_id, assigned.anchor_value))
      offset 0
    ) as merged on true
  )

  select
    anchored.site_id, anchored.identity_id, anchored.spell, anchored.type, anchored.value, anchored.user_id,
    store.keyed_person_id(anchored.inner_key, anchored.outer_key, anchored.anchor_type, anchored.anchor_value),
    case when anchored.spell = 1 and (anchored.anchor_type, anchored.anchor_value) <> (anchored.type, anchored.value)
      then store.keyed_person_id(anchored.inner_key, anchored.outer_key, anchored.type, anchored.value) end,
    case when anchored.spell = 1 then '-infinity' else (anchored.from_key).at end,
    case when anchored.spell = 1 then 0 else (anchored.from_key).sequence end,
    case when anchored.spell = 1 then '00000000-0000-0000-0000-000000000000' else (anchored.from_key).touchpoint_id end,
    anchored.first_seen_at,
    (anchored.last_key).at, (anchored.last_key).sequence, (anchored.last_key).touchpoint_id,
    anchored.is_refused, case when anchored.is_refused then anchored.base_user_id end
  from anchored;
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
    work_spells.last_touchpoint_id, work_spells.is_refused, work_spells.base_user_id
  from work_spells
  on conflict (site_id, identity_id, spell) do update set
    user_id = excluded.user_id, person_id = excluded.person_id, former_person_id = excluded.former_person_id,
    from_at = excluded.from_at, from_sequence = excluded.from_sequence, from_touchpoint_id = excluded.from_touchpoint_id,
    first_seen_at = excluded.first_seen_at, last_seen_at = excluded.last_seen_at, last_sequence = excluded.last_sequence,
    last_touchpoint_id = excluded.last_touchpoint_id, is_refused = excluded.is_refused, base_user_id = excluded.base_user_id;

  if moved_sites is not null then
    perform store.mark_replayed(moved_sites, moved_persons, moved_instants);
  end if;
end
$$;

-- A user id's own row: seen by every touchpoint that carries it, in whatever order.
create or replace function store.store_user_identities() returns void
language plpgsql
as $$
declare
  is_any_assigned boolean := exists (
    select from work_sites
    cross join lateral (
      select true from identity_assignments where identity_assignments.site_id = work_sites.site_id limit 1
    ) as assigned
  );
begin
  insert into identities
  select
    seen.site_id, seen.identity_id, 1, 'user_id', seen.user_id, seen.user_id,
    store.keyed_person_id(work_sites.inner_key, work_sites.outer_key, 'user_id', coalesce(assigned.anchor_value, seen.user_id)),
    case when assigned.anchor_value is not null
      then store.keyed_person_id(work_sites.inner_key, work_sites.outer_key, 'user_id', seen.user_id) end,
    '-infinity', 0, '00000000-0000-0000-0000-000000000000',
    seen.first_seen_at, seen.last_seen_at, 0, '00000000-0000-0000-0000-000000000000'
  from (
    select work_touchpoints.site_id, store.identity_id('user_id', work_touchpoints.user_id) as identity_id, work_touchpoints.user_id,
      min(work_touchpoints.occurred_at) as first_seen_at, max(work_touchpoints.occurred_at) as last_seen_at
    from work_touchpoints
    where work_touchpoints.is_new and work_touchpoints.user_id is not null
    group by work_touchpoints.site_id, work_touchpoints.user_id
  ) as seen
  join work_sites on work_sites.site_id = seen.site_id
  left join lateral (
    select identity_assignments.anchor_value
    from identity_assignments
    where is_any_assigned
      and identity_assignments.site_id = seen.site_id and identity_assignments.identity_id = seen.identity_id
    offset 0
  ) as assigned on true
  order by seen.site_id, seen.user_id -- two that write the same ones do not wait for each other crosswise
  on conflict (site_id, identity_id, spell) do update set
    person_id = excluded.person_id, former_person_id = excluded.former_person_id,
    first_seen_at = least(identities.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(identities.last_seen_at, excluded.last_seen_at);
end
$$;
