-- Links (SEMANTICS 3): which identities were seen together, which of these pairs join persons, and what follows from it.
-- A link's first sighting gives its place in the order of time; what is settled depends on that order alone.

create or replace function store.create_link_tables() returns void
language plpgsql
as $$
begin
  -- Typed identities beside the leading one, of the touchpoints at hand.
  create temporary table if not exists work_sightings (
    site_id integer not null,
    identity_id uuid not null,
    touchpoint_id uuid not null,
    type text not null,
    value text not null,
    user_id text,
    occurred_at timestamptz not null,
    sequence bigint not null,
    lead_id uuid, -- null for those brought in for a replay
    is_new boolean not null
  ) on commit preserve rows;

  create temporary table if not exists work_links (
    site_id integer not null,
    identity_id uuid not null,
    other_id uuid not null,
    kind text not null,
    cause text not null,
    type text not null,
    value text not null,
    other_type text not null,
    other_value text not null,
    at timestamptz not null,
    sequence bigint not null,
    touchpoint_id uuid not null
  ) on commit preserve rows;

  -- Links that are new, were seen earlier than known, or were corrected.
  create temporary table if not exists work_link_changes (
    site_id integer not null,
    identity_id uuid not null,
    other_id uuid not null,
    kind text not null,
    cause text not null,
    is_corrected boolean not null
  ) on commit preserve rows;

  create temporary table if not exists work_unsettled (
    site_id integer not null,
    identity_id uuid not null,
    primary key (site_id, identity_id)
  ) on commit preserve rows;

  -- One web of shared identities, while it is settled.
  create temporary table if not exists work_set_links (
    like work_links,
    position integer not null,
    state text not null,
    reason text,
    correction text
  ) on commit preserve rows;

  create temporary table if not exists work_set_members (
    position integer not null,
    identity_id uuid not null,
    type text not null,
    value text not null,
    user_id text, -- the first user accepted of it, and that user's anchor
    user_anchor text,
    user_at timestamptz,
    user_sequence bigint,
    user_touchpoint_id uuid,
    set_number integer
  ) on commit preserve rows;

  -- Persons that are no more, and whose their identities are: a correction may give them back.
  create temporary table if not exists work_former_persons (
    site_id integer not null,
    person_id uuid not null,
    survivor_id uuid not null
  ) on commit preserve rows;
end
$$;

create or replace function store.clear_link_tables() returns void
language plpgsql
set enable_seqscan = on
as $$
begin
  delete from work_sightings;
  delete from work_links;
  delete from work_link_changes;
  delete from work_unsettled;
  delete from work_set_links;
  delete from work_set_members;
  delete from work_former_persons;
end
$$;

-- The typed identities of a touchpoint, one row each.
create or replace function store.typed_identities(identities jsonb) returns table (type text, value text)
language plpgsql immutable
as $$
begin
  return query
  select by_type.key, listed.value
  from jsonb_each(typed_identities.identities) as by_type (key, value)
  cross join lateral jsonb_array_elements_text(
    case when jsonb_typeof(by_type.value) = 'array' then by_type.value else jsonb_build_array(by_type.value) end
  ) as listed (value);
end
$$;

-- What the new touchpoints say of identities: sightings of typed ones, which come to hand by that, and pairs.
create or replace function store.collect_links() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
declare
  is_any_corrected boolean := exists (
    select from store.identity_corrections
    where identity_corrections.site_id in (select work_sites.site_id from work_sites)
  );
begin
  insert into work_sightings
  select work_touchpoints.site_id, told.identity_id, work_touchpoints.touchpoint_id, told.type, told.value,
    work_touchpoints.user_id, work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.identity_id, true
  from work_touchpoints
  cross join lateral (
    select store.identity_id(typed.type, typed.value) as identity_id, typed.type, typed.value
    from store.typed_identities(work_touchpoints.identities) as typed
    offset 0
  ) as told
  where work_touchpoints.is_new and work_touchpoints.is_trusted and work_touchpoints.identities is not null
    and told.identity_id <> work_touchpoints.identity_id;

  insert into work_links
  select distinct on (told.site_id, told.identity_id, told.other_id) told.*
  from (
    select
      work_touchpoints.site_id, work_touchpoints.identity_id, store.identity_id('user_id', work_touchpoints.user_id) as other_id,
      'join' as kind, 'joined' as cause, 'anonymous_id' as type, work_touchpoints.anonymous_id as value,
      'user_id' as other_type, work_touchpoints.user_id as other_value,
      work_touchpoints.occurred_at as at, work_touchpoints.sequence, work_touchpoints.touchpoint_id
    from work_touchpoints
    join work_identities
      on work_identities.site_id = work_touchpoints.site_id and work_identities.identity_id = work_touchpoints.identity_id
    where work_touchpoints.is_new and work_touchpoints.anonymous_id is not null and work_touchpoints.user_id is not null
      -- of whom merely goes on nothing new is said, unless somebody named the pair before it was seen
      and (not work_identities.is_steady or work_identities.late_at is not null or is_any_corrected)

    union all

    select
      work_sightings.site_id, work_sightings.identity_id, store.identity_id('user_id', work_sightings.user_id),
      'join', 'joined', work_sightings.type, work_sightings.value, 'user_id', work_sightings.user_id,
      work_sightings.occurred_at, work_sightings.sequence, work_sightings.touchpoint_id
    from work_sightings
    where work_sightings.user_id is not null

    union all

    select
      work_sightings.site_id, work_sightings.lead_id, work_sightings.identity_id, 'share', 'shared_identity',
      coalesce(lead_typed.type, 'anonymous_id'), coalesce(lead_typed.value, work_touchpoints.anonymous_id),
      work_sightings.type, work_sightings.value,
      work_sightings.occurred_at, work_sightings.sequence, work_sightings.touchpoint_id
    from work_sightings
    join work_touchpoints
      on work_touchpoints.site_id = work_sightings.site_id and work_touchpoints.touchpoint_id = work_sightings.touchpoint_id
    left join lateral (
      select typed.type, typed.value
      from store.typed_identities(work_touchpoints.identities) as typed
      where work_touchpoints.anonymous_id is null
        and store.identity_id(typed.type, typed.value) = work_touchpoints.identity_id
      limit 1
    ) as lead_typed on true
    where work_sightings.user_id is null

    union all

    -- An alias names an earlier id of the user. As an anonymous id it joins where that has no user yet; as a user id it
    -- is merged, by who may say so.
    select
      aliases.site_id, store.identity_id(types.type, aliases.previous_id), store.identity_id('user_id', aliases.user_id),
      types.kind, 'alias', types.type, aliases.previous_id, 'user_id', aliases.user_id,
      aliases.occurred_at, aliases.sequence, aliases.touchpoint_id
    from (
      select work_touchpoints.*, work_touchpoints.properties ->> 'previous_id' as previous_id
      from work_touchpoints
      where work_touchpoints.is_new and work_touchpoints.name = 'alias' and not work_touchpoints.is_activity
        and work_touchpoints.user_id is not null and work_touchpoints.properties ? 'previous_id'
    ) as aliases
    cross join (values ('anonymous_id', 'join'), ('user_id', 'alias')) as types (type, kind)
    where (types.kind = 'join' or aliases.is_trusted)
      and (types.kind = 'join' or aliases.previous_id <> aliases.user_id)
  ) as told
  order by told.site_id, told.identity_id, told.other_id, told.at, told.sequence, told.touchpoint_id, told.cause = 'alias';
end
$$;

-- Typed identities at hand, as the touchpoints' leading ones are.
create or replace function store.collect_sighted_identities() returns void
language plpgsql
as $$
begin
  insert into work_identities as known (site_id, identity_id, is_replayed, is_steady)
  select
    work_sightings.site_id, work_sightings.identity_id,
    bool_or((last_spell.last_seen_at, last_spell.last_sequence, last_spell.last_touchpoint_id)
        > (work_sightings.occurred_at, work_sightings.sequence, work_sightings.touchpoint_id)
      or (last_spell.spell > 1
        and case when last_spell.is_refused then last_spell.base_user_id else last_spell.user_id end is null
        and not store.is_going_on(last_spell.user_id, last_spell.is_refused, work_sightings.user_id))) is true,
    bool_and(
      (last_spell.last_seen_at, last_spell.last_sequence, last_spell.last_touchpoint_id)
        <= (work_sightings.occurred_at, work_sightings.sequence, work_sightings.touchpoint_id)
      and store.is_going_on(last_spell.user_id, last_spell.is_refused, work_sightings.user_id)) is true
  from work_sightings
  left join lateral (
    select identities.*
    from identities
    where identities.site_id = work_sightings.site_id and identities.identity_id = work_sightings.identity_id
    order by identities.spell desc
    limit 1
  ) as last_spell on true
  group by work_sightings.site_id, work_sightings.identity_id
  on conflict (site_id, identity_id) do update set
    is_replayed = known.is_replayed or excluded.is_replayed or known.late_at is not null,
    is_steady = known.is_steady and excluded.is_steady and known.late_at is null;

  insert into identity_sightings (site_id, identity_id, touchpoint_id, type, value, user_id, occurred_at, sequence)
  select work_sightings.site_id, work_sightings.identity_id, work_sightings.touchpoint_id, work_sightings.type,
    work_sightings.value, work_sightings.user_id, work_sightings.occurred_at, work_sightings.sequence
  from work_sightings
  on conflict do nothing;
end
$$;

-- Keeps the pairs collected, notes what is new in them, and settles what hangs on it.
create or replace function store.derive_links() returns void
language plpgsql
as $$
begin
  if exists (select from work_links) then
    with stored as (
      insert into identity_links (site_id, identity_id, other_id, kind, cause, type, value, other_type, other_value,
        at, sequence, touchpoint_id, state)
      select work_links.site_id, work_links.identity_id, work_links.other_id, work_links.kind, work_links.cause,
        work_links.type, work_links.value, work_links.other_type, work_links.other_value,
        work_links.at, work_links.sequence, work_links.touchpoint_id, 'refused'
      from work_links
      on conflict (site_id, identity_id, other_id) do update set
        cause = excluded.cause, at = excluded.at, sequence = excluded.sequence, touchpoint_id = excluded.touchpoint_id
      where (excluded.at, excluded.sequence, excluded.touchpoint_id)
        < (identity_links.at, identity_links.sequence, identity_links.touchpoint_id)
      returning identity_links.site_id, identity_links.identity_id, identity_links.other_id, identity_links.kind,
        identity_links.cause
    )

    insert into work_link_changes
    select stored.site_id, stored.identity_id, stored.other_id, stored.kind, stored.cause, false from stored;
  end if;
  perform store.settle_links();
end
$$;

-- Settles what the changed links touch: user ids merged, joins within their limits, sets of identities.
create or replace function store.settle_links() returns void
language plpgsql
as $$
begin
  if exists (select from work_link_changes) then
    perform store.settle_aliases();
    perform store.settle_joins();
    perform store.mark_told_joins();
  end if;
  perform store.settle_sets();
end
$$;

-- The identities that links of a kind lead to from one, refused ones too: all that can depend on one another.
create or replace function store.linked_identities(site integer, identity uuid, link_kind text) returns uuid[]
language plpgsql stable
as $$
begin
  return array(
    with recursive reached (identity_id) as (
      select linked_identities.identity
      union
      select linked.identity_id
      from reached
      cross join lateral (
        select identity_links.other_id as identity_id
        from identity_links
        where identity_links.site_id = linked_identities.site and identity_links.identity_id = reached.identity_id
          and identity_links.kind = linked_identities.link_kind
        union all
        select identity_links.identity_id
        from identity_links
        where identity_links.site_id = linked_identities.site and identity_links.other_id = reached.identity_id
          and identity_links.kind = linked_identities.link_kind
      ) as linked
    )

    select reached.identity_id from reached order by reached.identity_id
  );
end
$$;

-- The sightings of identities that are derived from the beginning.
create or replace function store.load_sightings() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_sightings
  select sightings.site_id, sightings.identity_id, sightings.touchpoint_id, sightings.type, sightings.value, sightings.user_id,
    sightings.occurred_at, sightings.sequence, null, false
  from work_identities
  cross join lateral (
    select identity_sightings.*
    from identity_sightings
    where identity_sightings.site_id = work_identities.site_id and identity_sightings.identity_id = work_identities.identity_id
    offset 0
  ) as sightings
  where work_identities.is_replayed and not work_identities.is_steady
    and not exists (
      select from work_sightings as present
      where present.site_id = sightings.site_id and present.identity_id = sightings.identity_id
        and present.touchpoint_id = sightings.touchpoint_id
    );
end
$$;

-- The first step of a rebuild: sightings and links of whole sites, from all touchpoints that are not waiting.
create or replace function store.rebuild_links(sites integer[]) returns void
language plpgsql
set enable_seqscan = on set enable_hashjoin = on
as $$
begin
  perform store.clear_work_tables();
  perform store.load_work_sites(rebuild_links.sites);

  perform store.take_corrections(at_hand.site_id, null)
  from unnest(rebuild_links.sites) as at_hand (site_id);

  -- Of a browser and a user the first time is enough.
  insert into work_touchpoints (site_id, touchpoint_id, identity_id, occurred_at, sequence, is_activity, name, is_trusted,
    anonymous_id, user_id, identities, properties, is_new)
  with telling as (
    select told.*, told.name = 'alias' and not told.is_activity as is_alias
    from store.derivable_touchpoints as told
    where told.site_id = any (rebuild_links.sites)
      and (told.anonymous_id is not null and told.user_id is not null or (told.is_trusted and told.identities is not null)
        or told.name = 'alias')
      and (told.site_id, told.batch_id) not in (select batches.site_id, batches.batch_id from store.batches)
  )

  select telling.site_id, telling.touchpoint_id, telling.identity_id, telling.occurred_at, telling.sequence,
    telling.is_activity, telling.name, telling.is_trusted, telling.anonymous_id, telling.user_id,
    case when telling.is_trusted then telling.identities end, case when telling.is_alias then telling.properties end, true
  from telling
  where telling.is_alias or (telling.is_trusted and telling.identities is not null)
  union all
  (
    select distinct on (telling.site_id, telling.identity_id, telling.user_id)
      telling.site_id, telling.touchpoint_id, telling.identity_id, telling.occurred_at, telling.sequence,
      telling.is_activity, telling.name, telling.is_trusted, telling.anonymous_id, telling.user_id, null, null, true
    from telling
    where telling.anonymous_id is not null and telling.user_id is not null
      and not (telling.is_alias or (telling.is_trusted and telling.identities is not null))
    order by telling.site_id, telling.identity_id, telling.user_id, telling.occurred_at, telling.sequence, telling.touchpoint_id
  );
  insert into work_identities (site_id, identity_id, is_replayed)
  select distinct work_touchpoints.site_id, work_touchpoints.identity_id, true from work_touchpoints;

  perform store.collect_links();
  if exists (select from work_sightings) then
    perform store.collect_sighted_identities();
  end if;
  perform store.derive_links();
end
$$;
