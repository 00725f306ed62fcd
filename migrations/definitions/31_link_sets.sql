-- Sets (SEMANTICS 3): identities that no user was ever seen with, and that were seen together.

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
      or (not work_identities.is_steady and work_identities.site_id in (
        -- named by hand before it was seen
        select work_sites.site_id
        from work_sites
        where exists (select from store.identity_corrections where identity_corrections.site_id = work_sites.site_id)
      ))
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
  ranks integer[]; -- which of the users was first
  user_count integer := 0;
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
    row_number() over (order by links.at, links.is_told desc, links.sequence, links.touchpoint_id,
      links.type collate "C", links.value collate "C", links.other_type collate "C", links.other_value collate "C"),
    links.state, links.reason, links.correction
  from unnest(members) as listed (identity_id)
  cross join lateral (
    select identity_links.site_id, identity_links.identity_id, identity_links.other_id, identity_links.kind,
      identity_links.cause, identity_links.type, identity_links.value, identity_links.other_type, identity_links.other_value,
      -- a word by hand has its own place in time, before touchpoints of that instant
      case when told.is_told then identity_links.corrected_at else identity_links.at end as at,
      case when told.is_told then -9223372036854775808 else identity_links.sequence end as sequence,
      identity_links.touchpoint_id, identity_links.state, identity_links.reason, identity_links.correction, told.is_told
    from identity_links
    cross join lateral (select identity_links.correction is not distinct from 'merge' as is_told) as told
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
      select identity_links.other_id, identity_links.other_value, identity_links.touchpoint_id,
        case when identity_links.correction = 'merge' then '-infinity' else identity_links.at end as at,
        -- of several told by hand the latest
        case when identity_links.correction = 'merge' then -(extract(epoch from identity_links.corrected_at) * 1000000)::bigint
          else identity_links.sequence end as sequence
      from identity_links
      where identity_links.site_id = settle_set.site and identity_links.identity_id = listed.identity_id
        and identity_links.kind = 'join' and identity_links.state = 'accepted'
      order by at, sequence, identity_links.touchpoint_id, identity_links.other_id
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
  ranks := array_fill(null::integer, array[cardinality(members)]);
  sizes := array_fill(1, array[cardinality(members)]);
  counts := array_fill(0, array[cardinality(members) * type_count]);
  for step in select work_set_members.position, array_position(type_names, work_set_members.type) as nth from work_set_members loop
    counts[(step.position - 1) * type_count + step.nth] := 1;
  end loop;

  for step in
    select ones.position as one, others.position as other, work_set_links.position as link, work_set_links.correction,
      work_set_links.state, work_set_links.reason, null::text as user_anchor,
      work_set_links.at, work_set_links.sequence, work_set_links.touchpoint_id, work_set_links.identity_id, work_set_links.other_id
    from work_set_links
    join work_set_members as ones on ones.identity_id = work_set_links.identity_id
    join work_set_members as others on others.identity_id = work_set_links.other_id
    union all
    select work_set_members.position, null, null, null, null, null, work_set_members.user_anchor,
      work_set_members.user_at, work_set_members.user_sequence, work_set_members.user_touchpoint_id,
      work_set_members.identity_id, null
    from work_set_members
    where work_set_members.user_anchor is not null
    order by at, sequence, touchpoint_id, link nulls first
  loop
    one := roots[step.one];
    if step.link is null then
      user_count := user_count + 1;
      if users[one] is null then
        users[one] := step.user_anchor;
        ranks[one] := user_count;
      end if;
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
        -- of two users, which only a word by hand brings together, the earlier
        if users[one] is null or ranks[other] < ranks[one] then
          users[one] := users[other];
          ranks[one] := ranks[other];
        end if;
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
