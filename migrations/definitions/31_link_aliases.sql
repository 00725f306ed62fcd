-- User ids merged (SEMANTICS 3): by alias, or by hand.

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
  settled_site integer;
begin
  for changed in
    select work_link_changes.site_id, work_link_changes.identity_id, sites.identity_set_limit
    from work_link_changes
    join sites on sites.site_id = work_link_changes.site_id
    where work_link_changes.kind = 'alias'
    order by work_link_changes.site_id, work_link_changes.identity_id, work_link_changes.other_id
  loop
    if changed.site_id is distinct from settled_site then
      settled := '{}';
      settled_site := changed.site_id;
    end if;
    if changed.identity_id = any (settled) then
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
      -- a word by hand has its own place in time, before touchpoints of that instant
      order by case when links.correction = 'merge' then links.corrected_at else links.at end,
        links.correction is distinct from 'merge', links.sequence, links.touchpoint_id, links.value collate "C", links.other_value collate "C"
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
