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
end
$$;

create or replace function store.truncate_link_tables() returns void
language plpgsql
as $$
begin
  truncate work_sightings, work_links, work_link_changes, work_unsettled, work_set_links, work_set_members;
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

-- Joins: a user id has at most so many identities of each type, the first ones seen with it. A link is put back by one
-- that turns out to be earlier.
create or replace function store.settle_joins() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  with users as (
    select work_link_changes.site_id, work_link_changes.other_id, bool_or(work_link_changes.is_corrected) as is_corrected
    from work_link_changes
    where work_link_changes.kind = 'join'
    group by work_link_changes.site_id, work_link_changes.other_id
  ),

  -- What was accepted, and what is new: no other link can come in, unless one was taken back by hand.
  candidates as (
    select known.*
    from users
    cross join lateral (
      select identity_links.*
      from identity_links
      where identity_links.site_id = users.site_id and identity_links.other_id = users.other_id
        and identity_links.state = 'accepted'
      offset 0
    ) as known
    where known.kind = 'join' and not users.is_corrected
    union
    select known.*
    from users
    cross join lateral (
      select identity_links.*
      from identity_links
      where users.is_corrected and identity_links.site_id = users.site_id and identity_links.other_id = users.other_id
      offset 0
    ) as known
    where known.kind = 'join'
    union
    select known.*
    from work_link_changes
    cross join lateral (
      select identity_links.*
      from identity_links
      where identity_links.site_id = work_link_changes.site_id and identity_links.identity_id = work_link_changes.identity_id
        and identity_links.other_id = work_link_changes.other_id
      offset 0
    ) as known
    where work_link_changes.kind = 'join'
  ),

  placed as (
    select candidates.*, row_number() over (
        partition by candidates.site_id, candidates.other_id, candidates.type, candidates.correction
        order by candidates.at, candidates.sequence, candidates.touchpoint_id, candidates.value collate "C"
      ) <= coalesce((sites.identity_limits ->> candidates.type)::integer, sites.identity_limit) as is_within,
      sites.identity_set_limit
    from candidates
    join sites on sites.site_id = candidates.site_id
  ),

  judged as (
    select placed.*,
      case placed.correction
        when 'merge' then true
        when 'sever' then false
        else placed.is_within and count(*) filter (where placed.is_within) over (
          partition by placed.site_id, placed.other_id, placed.correction
          order by placed.at, placed.sequence, placed.touchpoint_id, placed.type collate "C", placed.value collate "C"
        ) < placed.identity_set_limit
      end as is_accepted
    from placed
  ),

  changed as (
    insert into identity_links
    select judged.site_id, judged.identity_id, judged.other_id, judged.kind, judged.cause, judged.type, judged.value,
      judged.other_type, judged.other_value, judged.at, judged.sequence, judged.touchpoint_id,
      case when judged.is_accepted then 'accepted' else 'refused' end,
      case when not judged.is_accepted then case judged.correction when 'sever' then 'severed' else 'limit' end end
    from judged
    on conflict (site_id, identity_id, other_id) do update set state = excluded.state, reason = excluded.reason
    where (identity_links.state, identity_links.reason) is distinct from (excluded.state, excluded.reason)
    returning identity_links.site_id, identity_links.identity_id, identity_links.other_id
  ),

  -- A link not judged before is its touchpoint's, whose identity is at hand.
  others as (
    insert into work_identities as known (site_id, identity_id, is_replayed)
    select distinct changed.site_id, changed.identity_id, true
    from changed
    join judged
      on judged.site_id = changed.site_id and judged.identity_id = changed.identity_id and judged.other_id = changed.other_id
    where judged.state = 'accepted' or judged.reason is not null
    on conflict (site_id, identity_id) do update set is_replayed = true, is_steady = false
  )

  insert into work_unsettled
  select joined.site_id, joined.identity_id
  from (
    select changed.site_id, changed.identity_id from changed
    union
    select work_link_changes.site_id, work_link_changes.identity_id from work_link_changes where work_link_changes.kind = 'join'
  ) as joined
  on conflict do nothing;
end
$$;

-- Joins told otherwise than by a touchpoint of the identity, which therefore has to be looked at from the beginning.
create or replace function store.mark_told_joins() returns void
language plpgsql
as $$
begin
  insert into work_identities as known (site_id, identity_id, is_replayed)
  select distinct work_link_changes.site_id, work_link_changes.identity_id, true
  from work_link_changes
  where work_link_changes.kind = 'join' and (work_link_changes.cause = 'alias' or work_link_changes.is_corrected)
  on conflict (site_id, identity_id) do update set is_replayed = true, is_steady = false;
end
$$;

-- User ids merged: in the order of their links each becomes, with all that were merged into it, the one it is merged into.
create or replace function store.settle_aliases() returns void
language plpgsql
as $$
declare
  changed record;
  link record;
  members uuid[];
  names text[];
  anchors integer[];
  sizes integer[];
  is_accepted boolean;
  settled uuid[] := '{}';
begin
  for changed in
    select work_link_changes.site_id, work_link_changes.identity_id, sites.identity_set_limit
    from work_link_changes
    join sites on sites.site_id = work_link_changes.site_id
    where work_link_changes.kind = 'alias'
    order by work_link_changes.site_id, work_link_changes.identity_id, work_link_changes.other_id
  loop
    if members is not null and changed.identity_id = any (settled) then
      continue; -- with another link of the same users
    end if;
    members := store.linked_identities(changed.site_id, changed.identity_id, 'alias');
    settled := settled || members;
    names := array_fill(null::text, array[cardinality(members)]);
    anchors := array(select generate_series(1, cardinality(members)));
    sizes := array_fill(1, array[cardinality(members)]);
    for link in
      select array_position(members, links.identity_id) as one, array_position(members, links.other_id) as other, links.*
      from unnest(members) as listed (identity_id)
      cross join lateral (
        select identity_links.*
        from identity_links
        where identity_links.site_id = changed.site_id and identity_links.identity_id = listed.identity_id
          and identity_links.kind = 'alias'
        offset 0
      ) as links
      order by coalesce(links.corrected_at, links.at), links.sequence, links.touchpoint_id,
        links.value collate "C", links.other_value collate "C"
    loop
      names[link.one] := link.value;
      names[link.other] := link.other_value;
      is_accepted := link.correction is distinct from 'sever' and (anchors[link.one] = anchors[link.other]
        or sizes[anchors[link.one]] + sizes[anchors[link.other]] <= changed.identity_set_limit);
      if is_accepted and anchors[link.one] <> anchors[link.other] then
        sizes[anchors[link.other]] := sizes[anchors[link.other]] + sizes[anchors[link.one]];
        anchors := array_replace(anchors, anchors[link.one], anchors[link.other]);
      end if;
      update identity_links
      set state = case when is_accepted then 'accepted' else 'refused' end,
        reason = case when is_accepted then null when link.correction = 'sever' then 'severed' else 'limit' end
      where identity_links.site_id = link.site_id and identity_links.identity_id = link.identity_id
        and identity_links.other_id = link.other_id
        and ((identity_links.state = 'accepted') is distinct from is_accepted or (not is_accepted and identity_links.reason is null));
    end loop;
    for position in 1 .. cardinality(members) loop
      perform store.assign_user(changed.site_id, members[position], names[position], names[anchors[position]]);
    end loop;
  end loop;
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

-- Says which user id another is merged into (itself: into none). Everybody whom a change of that concerns is marked.
create or replace function store.assign_user(site integer, identity uuid, user_id text, anchor text) returns void
language plpgsql
as $$
declare
  own uuid := store.user_person_id(site, assign_user.user_id);
  person uuid := store.user_person_id(site, anchor);
  known uuid;
begin
  if anchor = assign_user.user_id then
    delete from identity_assignments
    where identity_assignments.site_id = site and identity_assignments.identity_id = identity;
  else
    insert into identity_assignments (site_id, identity_id, anchor_type, anchor_value)
    values (site, identity, 'user_id', anchor)
    on conflict (site_id, identity_id) do update set anchor_value = excluded.anchor_value
    where identity_assignments.anchor_value <> excluded.anchor_value;
  end if;
  if not found then
    return;
  end if;
  known := (
    select identities.person_id
    from identities
    where identities.site_id = site and identities.identity_id = identity and identities.spell = 1
  );
  if known is not null then
    update identities
    set person_id = person, former_person_id = nullif(own, person)
    where identities.site_id = site and identities.identity_id = identity and identities.spell = 1;
  end if;
  perform store.mark_replayed(array[site, site], array[coalesce(known, own), person]);
  insert into work_unsettled
  select site, identity_links.identity_id
  from identity_links
  where identity_links.site_id = site and identity_links.other_id = identity and identity_links.state = 'accepted'
    and identity_links.kind = 'join'
  on conflict do nothing;
end
$$;

create or replace function store.user_person_id(site integer, user_id text) returns uuid
language plpgsql stable
as $$
begin
  return (
    select store.keyed_person_id(work_sites.inner_key, work_sites.outer_key, 'user_id', user_person_id.user_id)
    from work_sites
    where work_sites.site_id = site
  );
end
$$;

-- Sets: identities without a user that were seen together. Which depend on what has changed?
create or replace function store.settle_sets() returns void
language plpgsql
as $$
declare
  unsettled record;
begin
  if exists (
    select from work_sites
    cross join lateral (
      select true
      from identity_links
      where identity_links.site_id = work_sites.site_id and identity_links.kind = 'share'
      limit 1
    ) as linked
  ) then
    insert into work_unsettled
    select work_link_changes.site_id, work_link_changes.identity_id
    from work_link_changes
    where work_link_changes.kind = 'share'
    on conflict do nothing;
    -- An earlier first sighting may change who is first of a set.
    insert into work_unsettled
    select work_identities.site_id, work_identities.identity_id from work_identities
    where work_identities.is_replayed or work_identities.late_at is not null
    on conflict do nothing;

    delete from work_unsettled
    where not exists (
      select from identity_links
      where identity_links.site_id = work_unsettled.site_id and identity_links.identity_id = work_unsettled.identity_id
        and identity_links.kind = 'share'
    ) and not exists (
      select from identity_links
      where identity_links.site_id = work_unsettled.site_id and identity_links.other_id = work_unsettled.identity_id
        and identity_links.kind = 'share'
    );
    loop
      select work_unsettled.site_id, work_unsettled.identity_id into unsettled
      from work_unsettled
      order by work_unsettled.site_id, work_unsettled.identity_id
      limit 1;
      exit when not found;
      perform store.settle_set(unsettled.site_id,
        store.linked_identities(unsettled.site_id, unsettled.identity_id, 'share'));
    end loop;
  end if;
end
$$;

-- Settles one web of shared identities, in the order of its links: each joins two sets into one, unless that had two
-- users, or too many identities of a type or in all. A set is its first user's, else its first identity's.
create or replace function store.settle_set(site integer, members uuid[]) returns void
language plpgsql
as $$
declare
  the_site record;
  step record;
  type_names text[];
  type_limits integer[];
  type_count integer;
  roots integer[];
  users text[];
  sizes integer[];
  counts integer[];
  one integer;
  other integer;
  is_accepted boolean;
begin
  select sites.identity_limit, sites.identity_limits, sites.identity_set_limit into the_site
  from sites
  where sites.site_id = settle_set.site;

  delete from work_set_links;
  delete from work_set_members;

  insert into work_set_links
  select links.site_id, links.identity_id, links.other_id, links.kind, links.cause, links.type, links.value,
    links.other_type, links.other_value, links.at, links.sequence, links.touchpoint_id,
    row_number() over (order by links.correction is distinct from 'merge', links.at, links.sequence, links.touchpoint_id,
      links.type collate "C", links.value collate "C", links.other_type collate "C", links.other_value collate "C"),
    links.state, links.reason, links.correction
  from unnest(members) as listed (identity_id)
  cross join lateral (
    select identity_links.*
    from identity_links
    where identity_links.site_id = settle_set.site and identity_links.identity_id = listed.identity_id
      and identity_links.kind = 'share'
    offset 0
  ) as links;

  -- Each with the first user accepted of it.
  insert into work_set_members
  select listed.position, listed.identity_id, named.type, named.value, joined.other_value, joined.anchor, joined.at,
    joined.sequence, joined.touchpoint_id
  from unnest(members) with ordinality as listed (identity_id, position)
  cross join lateral (
    select work_set_links.type, work_set_links.value from work_set_links where work_set_links.identity_id = listed.identity_id
    union all
    select work_set_links.other_type, work_set_links.other_value from work_set_links where work_set_links.other_id = listed.identity_id
    limit 1
  ) as named
  left join lateral (
    select links.other_value, links.at, links.sequence, links.touchpoint_id,
      coalesce(assigned.anchor_value, links.other_value) as anchor
    from (
      select identity_links.other_id, identity_links.other_value, identity_links.sequence, identity_links.touchpoint_id,
        case when identity_links.correction = 'merge' then '-infinity' else identity_links.at end as at,
        case when identity_links.correction = 'merge' then identity_links.corrected_at end as told_at
      from identity_links
      where identity_links.site_id = settle_set.site and identity_links.identity_id = listed.identity_id
        and identity_links.kind = 'join' and identity_links.state = 'accepted'
      order by 5, 6 desc, identity_links.sequence, identity_links.touchpoint_id, identity_links.other_id
      limit 1
    ) as links
    left join lateral (
      select identity_assignments.anchor_value
      from identity_assignments
      where identity_assignments.site_id = settle_set.site and identity_assignments.identity_id = links.other_id
      offset 0
    ) as assigned on true
  ) as joined on true;

  type_names := array(select distinct work_set_members.type from work_set_members order by work_set_members.type);
  type_count := cardinality(type_names);
  type_limits := array(
    select coalesce((the_site.identity_limits ->> listed.name)::integer, the_site.identity_limit)
    from unnest(type_names) with ordinality as listed (name, position)
    order by listed.position
  );
  roots := array(select generate_series(1, cardinality(members)));
  users := array_fill(null::text, array[cardinality(members)]);
  sizes := array_fill(1, array[cardinality(members)]);
  counts := array_fill(0, array[cardinality(members) * type_count]);
  for step in select work_set_members.position, array_position(type_names, work_set_members.type) as nth from work_set_members loop
    counts[(step.position - 1) * type_count + step.nth] := 1;
  end loop;

  for step in
    select ones.position as one, others.position as other, work_set_links.position as link, work_set_links.correction,
      work_set_links.state, work_set_links.reason, null::text as user_anchor,
      work_set_links.correction is distinct from 'merge' as is_later, work_set_links.at, work_set_links.sequence,
      work_set_links.touchpoint_id, work_set_links.identity_id, work_set_links.other_id
    from work_set_links
    join work_set_members as ones on ones.identity_id = work_set_links.identity_id
    join work_set_members as others on others.identity_id = work_set_links.other_id
    union all
    select work_set_members.position, null, null, null, null, null, work_set_members.user_anchor, true,
      work_set_members.user_at, work_set_members.user_sequence, work_set_members.user_touchpoint_id,
      work_set_members.identity_id, null
    from work_set_members
    where work_set_members.user_anchor is not null
    order by is_later, at, sequence, touchpoint_id, link nulls first
  loop
    one := roots[step.one];
    if step.link is null then
      users[one] := coalesce(users[one], step.user_anchor);
      continue;
    end if;
    other := roots[step.other];
    is_accepted := step.correction is distinct from 'sever';
    if is_accepted and one <> other then
      if step.correction is null then
        is_accepted := (users[one] = users[other]) is not false and sizes[one] + sizes[other] <= the_site.identity_set_limit;
        for nth in 1 .. type_count loop
          is_accepted := is_accepted
            and counts[(one - 1) * type_count + nth] + counts[(other - 1) * type_count + nth] <= type_limits[nth];
        end loop;
      end if;
      if is_accepted then
        users[one] := coalesce(users[one], users[other]);
        sizes[one] := sizes[one] + sizes[other];
        for nth in 1 .. type_count loop
          counts[(one - 1) * type_count + nth] := counts[(one - 1) * type_count + nth] + counts[(other - 1) * type_count + nth];
        end loop;
        roots := array_replace(roots, other, one);
      end if;
    end if;
    if is_accepted is distinct from (step.state = 'accepted') or (not is_accepted and step.reason is null) then
      update identity_links
      set state = case when is_accepted then 'accepted' else 'refused' end,
        reason = case when is_accepted then null when step.correction = 'sever' then 'severed' else 'limit' end
      where identity_links.site_id = settle_set.site and identity_links.identity_id = step.identity_id
        and identity_links.other_id = step.other_id;
    end if;
  end loop;

  update work_set_members set set_number = roots[work_set_members.position];
  perform store.assign_sets(settle_set.site);

  delete from work_unsettled where work_unsettled.site_id = settle_set.site and work_unsettled.identity_id = any (members);
end
$$;

-- Whose the identities of settled sets are. Those assigned to another than before are derived anew.
create or replace function store.assign_sets(site integer) returns void
language plpgsql
as $$
begin
  with sets as (
    select work_set_members.set_number,
      (array_agg(work_set_members.user_id order by work_set_members.user_at, work_set_members.user_sequence,
        work_set_members.user_touchpoint_id, work_set_members.identity_id)
        filter (where work_set_members.user_id is not null))[1] as user_id
    from work_set_members
    group by work_set_members.set_number
    having count(*) > 1
  ),

  firsts as (
    select distinct on (sets.set_number) sets.set_number, work_set_members.type, work_set_members.value
    from sets
    join work_set_members on work_set_members.set_number = sets.set_number
    cross join lateral store.first_sighting(assign_sets.site, work_set_members.identity_id) as first_key
    where sets.user_id is null
    order by sets.set_number, first_key.at, first_key.sequence, first_key.touchpoint_id, first_key.is_sighted,
      work_set_members.type collate "C", work_set_members.value collate "C"
  ),

  wanted as (
    select work_set_members.identity_id,
      case when sets.user_id is not null then 'user_id' else firsts.type end as anchor_type,
      coalesce(sets.user_id, firsts.value) as anchor_value
    from work_set_members
    join sets on sets.set_number = work_set_members.set_number
    left join firsts on firsts.set_number = work_set_members.set_number
    where work_set_members.user_id is null
      and (sets.user_id is not null or (firsts.type, firsts.value) <> (work_set_members.type, work_set_members.value))
  ),

  gone as (
    delete from identity_assignments
    where identity_assignments.site_id = assign_sets.site
      and identity_assignments.identity_id in (select work_set_members.identity_id from work_set_members)
      and identity_assignments.identity_id not in (select wanted.identity_id from wanted)
    returning identity_assignments.identity_id
  ),

  come as (
    insert into identity_assignments (site_id, identity_id, anchor_type, anchor_value)
    select assign_sets.site, wanted.identity_id, wanted.anchor_type, wanted.anchor_value
    from wanted
    on conflict (site_id, identity_id) do update set anchor_type = excluded.anchor_type, anchor_value = excluded.anchor_value
    where (identity_assignments.anchor_type, identity_assignments.anchor_value) <> (excluded.anchor_type, excluded.anchor_value)
    returning identity_assignments.identity_id
  )

  insert into work_identities (site_id, identity_id, is_replayed)
  select assign_sets.site, changed.identity_id, true
  from (select gone.identity_id from gone union select come.identity_id from come) as changed
  on conflict (site_id, identity_id) do update set is_replayed = true, is_steady = false;
end
$$;

-- When an identity was first seen, and whether beside a leading one.
create or replace function store.first_sighting(
  site integer, identity uuid, out at timestamptz, out sequence bigint, out touchpoint_id uuid, out is_sighted boolean
)
language plpgsql stable
as $$
begin
  select seen.* into at, sequence, touchpoint_id, is_sighted
  from (
    (
      select derivable_touchpoints.occurred_at, derivable_touchpoints.sequence, derivable_touchpoints.touchpoint_id, false
      from store.derivable_touchpoints
      where derivable_touchpoints.site_id = first_sighting.site and derivable_touchpoints.identity_id = first_sighting.identity
        and (derivable_touchpoints.site_id, derivable_touchpoints.batch_id) not in (select batches.site_id, batches.batch_id from store.batches)
      order by derivable_touchpoints.occurred_at, derivable_touchpoints.sequence, derivable_touchpoints.touchpoint_id
      limit 1
    )
    union all
    (
      select identity_sightings.occurred_at, identity_sightings.sequence, identity_sightings.touchpoint_id, true
      from identity_sightings
      where identity_sightings.site_id = first_sighting.site and identity_sightings.identity_id = first_sighting.identity
      order by identity_sightings.occurred_at, identity_sightings.sequence, identity_sightings.touchpoint_id
      limit 1
    )
  ) as seen
  order by 1, 2, 3
  limit 1;
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

  insert into identity_links (site_id, identity_id, other_id, kind, cause, type, value, other_type, other_value,
    at, sequence, touchpoint_id, state, correction, corrected_at)
  select corrections.site_id, corrections.identity_id, corrections.other_id, corrections.kind, 'manual',
    corrections.type, corrections.value, corrections.other_type, corrections.other_value,
    'infinity', 0, '00000000-0000-0000-0000-000000000000', 'refused', corrections.correction, corrections.corrected_at
  from store.identity_corrections as corrections
  where corrections.site_id = any (rebuild_links.sites);
  insert into work_link_changes
  select corrections.site_id, corrections.identity_id, corrections.other_id, corrections.kind, 'manual', true
  from store.identity_corrections as corrections
  where corrections.site_id = any (rebuild_links.sites);

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
