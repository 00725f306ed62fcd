-- Runaways (SEMANTICS 3): whoever has more touchpoints within 24 hours than a human can. Such a person gives no signal.

-- Marks those at hand who are known to be one. A site that has none pays one look-up a transaction.
create or replace function store.mute_runaways() returns void
language plpgsql
set enable_hashjoin = off set enable_nestloop = on -- whoever calls it may join by hash; here that would read every person
as $$
begin
  if exists (
    select from work_sites
    cross join lateral (
      select true from persons where persons.site_id = work_sites.site_id and persons.runaway_at is not null limit 1
    ) as known
  ) then
    update work_persons
    set is_mute = true
    where not work_persons.is_mute and exists (
      select from persons
      where persons.site_id = work_persons.site_id and persons.person_id = work_persons.person_id
        and persons.runaway_at is not null
    );
  end if;
end
$$;

-- Looks at those who have enough touchpoints to be one, after persons are written. Answers who has become one, or is none
-- any more: their stages are derived once more, from the beginning.
create or replace function store.derive_runaways(out flipped_sites integer[], out flipped_persons uuid[])
language plpgsql
as $$
begin
  if not exists (select from work_persons where work_persons.is_crowded or work_persons.is_mute) then
    return;
  end if;

  update persons
  set runaway_at = found.at
  from (
    select crowded.site_id, crowded.person_id, (
      select min(counted.at)
      from (
        select own.at, lag(own.at, crowded.runaway_limit) over (order by own.at) as before
        from store.touchpoint_times(crowded.site_id, crowded.person_id, crowded.since - interval '24 hours') as own (at)
      ) as counted
      where counted.at - counted.before < interval '24 hours'
    ) as at
    from (
      select work_persons.site_id, work_persons.person_id, sites.runaway_limit,
        case when work_persons.is_replayed then work_persons.base_at else coalesce((
          select min(work_touchpoints.occurred_at)
          from work_touchpoints
          where work_touchpoints.site_id = work_persons.site_id and work_touchpoints.person_id = work_persons.person_id
            and work_touchpoints.is_new
        ), 'infinity') end as since
      from work_persons
      join sites on sites.site_id = work_persons.site_id
      where work_persons.is_crowded
    ) as crowded
    cross join lateral (
      select persons.touchpoint_count
      from persons
      where persons.site_id = crowded.site_id and persons.person_id = crowded.person_id and persons.runaway_at is null
      offset 0
    ) as known
    -- No more than so many can lie within 24 hours of anything new, as a checkpoint tells without a look at them.
    where known.touchpoint_count - coalesce((
      select checkpoints.touchpoint_count
      from checkpoints
      where checkpoints.site_id = crowded.site_id and checkpoints.person_id = crowded.person_id
        and checkpoints.last_seen_at <= crowded.since - interval '24 hours'
      order by checkpoints.last_seen_at desc, checkpoints.last_sequence desc, checkpoints.last_touchpoint_id desc
      limit 1
    ), 0) > crowded.runaway_limit
  ) as found
  where persons.site_id = found.site_id and persons.person_id = found.person_id and found.at is not null;

  select array_agg(work_persons.site_id), array_agg(work_persons.person_id) into flipped_sites, flipped_persons
  from work_persons
  cross join lateral (
    select persons.runaway_at
    from persons
    where persons.site_id = work_persons.site_id and persons.person_id = work_persons.person_id
    offset 0
  ) as known
  where (work_persons.is_crowded or work_persons.is_mute) and (known.runaway_at is not null) <> work_persons.is_mute;
end
$$;

-- When the touchpoints of a person happened, after an instant.
create or replace function store.touchpoint_times(site integer, person uuid, since timestamptz) returns setof timestamptz
language plpgsql stable
as $$
begin
  return query
  select touchpoints.occurred_at
  from identities as spells
  left join lateral (
    select identities.from_at, identities.from_sequence, identities.from_touchpoint_id
    from identities
    where identities.site_id = spells.site_id and identities.identity_id = spells.identity_id
      and identities.spell = spells.spell + 1
    offset 0
  ) as next_spell on true
  cross join lateral (
    select derivable_touchpoints.occurred_at, derivable_touchpoints.sequence, derivable_touchpoints.touchpoint_id
    from store.derivable_touchpoints
    where derivable_touchpoints.site_id = site and derivable_touchpoints.identity_id = spells.identity_id
      and derivable_touchpoints.occurred_at > touchpoint_times.since
      and (derivable_touchpoints.site_id, derivable_touchpoints.batch_id) not in (
        select batches.site_id, batches.batch_id from store.batches)
    offset 0
  ) as touchpoints
  where spells.site_id = site and spells.person_id = person
    and (spells.from_at, spells.from_sequence, spells.from_touchpoint_id)
      <= (touchpoints.occurred_at, touchpoints.sequence, touchpoints.touchpoint_id)
    and (next_spell.from_at is null
      or (next_spell.from_at, next_spell.from_sequence, next_spell.from_touchpoint_id)
        > (touchpoints.occurred_at, touchpoints.sequence, touchpoints.touchpoint_id));
end
$$;
