-- Changing a site's journey model behind its old answers: everybody is derived under the new version beside the live rows,
-- a thousand at a time while traffic goes on; whoever is derived meanwhile is done again; at last all switch at once.

-- Whoever was derived just now stands elsewhere under the new version too.
create or replace function store.forget_next_stages() returns void
language plpgsql
as $$
begin
  if exists (select from store.model_changes) and to_regclass('persons') = 'store.persons'::regclass then
    delete from store.next_stages
    using work_persons
    where next_stages.site_id = work_persons.site_id and next_stages.person_id = work_persons.person_id;
  end if;
end
$$;

-- Stores a document as the next version of a site's model and begins to change to it; goes on where that was begun before.
-- Answers the version, or null where the site's model says the same already.
create or replace function store.begin_model_change(site integer, document jsonb) returns integer
language plpgsql
as $$
declare
  present record;
  pending record;
  the_document jsonb := begin_model_change.document - 'version' - '$schema';
  the_name text := site || '/' || (the_document ->> 'name');
  the_version integer;
begin
  select sites.model_version, sites.session_gap, models.document - 'version' - '$schema' as document into strict present
  from store.sites
  join store.models on models.model_name = sites.model_name and models.version = sites.model_version
  where sites.site_id = site
  for update of sites;

  select model_changes.model_version, models.document - 'version' as document into pending
  from store.model_changes
  join store.models on models.model_name = model_changes.model_name and models.version = model_changes.model_version
  where model_changes.site_id = site;
  if found then
    if pending.document = the_document then
      return pending.model_version;
    end if;
    perform store.drop_model_change(site);
  end if;
  if present.document = the_document then
    return null;
  end if;

  select 1 + greatest(present.model_version, max(models.version)) into the_version
  from store.models
  where models.model_name like site || '/%';
  perform store.put_model(the_name, the_version, the_document || jsonb_build_object('version', the_version));
  insert into store.model_changes (site_id, model_name, model_version, session_gap)
  values (site, the_name, the_version, present.session_gap);
  return the_version;
end
$$;

create or replace function store.drop_model_change(site integer) returns void
language plpgsql
as $$
begin
  delete from store.next_stages where next_stages.site_id = site;
  delete from store.model_changes where model_changes.site_id = site;
end
$$;

-- Puts the site on the workbench under the model it is changing to.
create or replace function store.load_changing_site(site integer) returns void
language plpgsql
as $$
begin
  perform store.clear_work_tables();
  perform store.load_work_sites(array[site]);
  update work_sites
  set model_name = model_changes.model_name, model_version = model_changes.model_version
  from store.model_changes
  where model_changes.site_id = work_sites.site_id;
end
$$;

-- Derives some more persons under the new version: all in order, then whoever was derived meanwhile. Answers how many.
create or replace function store.derive_next_stages(site integer, person_limit integer) returns integer
language plpgsql
as $$
declare
  change store.model_changes;
  the_gap interval;
  at_hand uuid[];
begin
  perform store.lock_site(site);
  select model_changes.* into change from store.model_changes where model_changes.site_id = site for update;
  if not found then
    return 0;
  end if;
  select sites.session_gap into the_gap from store.sites where sites.site_id = site;
  if change.session_gap is distinct from the_gap then
    delete from store.next_stages where next_stages.site_id = site;
    change.position := null;
    update store.model_changes set session_gap = the_gap, position = null where model_changes.site_id = site;
  end if;

  select array_agg(listed.person_id order by listed.person_id) into at_hand
  from (
    select persons.person_id
    from persons
    where persons.site_id = site
      and persons.person_id > coalesce(change.position, '00000000-0000-0000-0000-000000000000')
    order by persons.person_id
    limit person_limit
  ) as listed;
  if at_hand is not null then
    update store.model_changes set position = at_hand[cardinality(at_hand)] where model_changes.site_id = site;
  else
    at_hand := store.persons_without_next_stage(site, person_limit);
    if at_hand is null then
      return 0;
    end if;
  end if;

  perform store.load_changing_site(site);
  perform store.mark_replayed(array_fill(site, array[cardinality(at_hand)]), at_hand);
  perform store.load_replays();
  perform store.compute_stages();
  insert into store.next_stages (
    site_id, person_id, state, furthest, since, journey_number, last_signal_at, transition_count, last_timer_at, moves,
    held_until, overridden_at, next_due_at
  )
  select work_stages.site_id, work_stages.person_id, work_stages.state, work_stages.furthest, work_stages.since,
    work_stages.journey_number, work_stages.last_signal_at, work_stages.transition_count, work_stages.last_timer_at,
    work_stages.moves, work_stages.held_until, work_stages.overridden_at, work_stages.due_at
  from work_stages
  on conflict (site_id, person_id) do update set
    state = excluded.state, furthest = excluded.furthest, since = excluded.since, journey_number = excluded.journey_number,
    last_signal_at = excluded.last_signal_at, transition_count = excluded.transition_count,
    last_timer_at = excluded.last_timer_at, moves = excluded.moves, held_until = excluded.held_until,
    overridden_at = excluded.overridden_at, next_due_at = excluded.next_due_at;
  return cardinality(at_hand);
end
$$;

create or replace function store.persons_without_next_stage(site integer, person_limit integer) returns uuid[]
language plpgsql
set enable_mergejoin = on set enable_hashjoin = on
as $$
begin
  return (
    select array_agg(listed.person_id)
    from (
      select persons.person_id
      from store.persons
      left join store.next_stages
        on next_stages.site_id = persons.site_id and next_stages.person_id = persons.person_id
      where persons.site_id = site and next_stages.person_id is null
      limit person_limit
    ) as listed
  );
end
$$;

-- Opens the switch: holds the site until its transaction ends, and forgets whoever's timer fell due since.
create or replace function store.open_model_switch(site integer) returns void
language plpgsql
as $$
begin
  perform store.lock_site(site);
  delete from store.next_stages
  using clocks
  where next_stages.site_id = site and clocks.site_id = site and next_stages.next_due_at <= clocks.as_of;
end
$$;

-- Switches some persons, in order. Answers the last of them; null when there are no more. Arms no trigger.
create or replace function store.switch_stages(site integer, after uuid, person_limit integer) returns uuid
language plpgsql
as $$
declare
  last_person uuid;
begin
  perform store.load_changing_site(site);
  insert into work_persons (site_id, person_id, is_replayed, is_loaded)
  select persons.site_id, persons.person_id, true, true
  from persons
  where persons.site_id = site and persons.person_id > after
  order by persons.person_id
  limit person_limit;
  select max(work_persons.person_id::text)::uuid into last_person from work_persons;
  if last_person is null then
    return null;
  end if;

  insert into work_stages
  select next_stages.site_id, next_stages.person_id, next_stages.state, next_stages.furthest, next_stages.since,
    next_stages.journey_number, next_stages.last_signal_at, next_stages.transition_count, next_stages.last_timer_at,
    next_stages.held_until, next_stages.overridden_at,
    store.stage_due_at(next_stages.state, next_stages.last_signal_at, next_stages.overridden_at, next_stages.held_until,
      model_machines.timer_seconds),
    cardinality(next_stages.moves), next_stages.moves
  from work_persons
  cross join lateral (
    select next_stages.*
    from store.next_stages
    where next_stages.site_id = work_persons.site_id and next_stages.person_id = work_persons.person_id
    offset 0
  ) as next_stages
  join work_sites on work_sites.site_id = work_persons.site_id
  join store.model_machines
    on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version;

  perform store.look_up_persons();
  perform store.note_persons_before();
  perform store.note_standings_before();
  perform store.store_stages();
  perform store.note_stages();
  -- What else a person row says stays as it is.
  update work_persons set is_replayed = false;
  perform store.derive_persons();
  -- A wait that is over under the new model alone arms nothing: the clock looks at the person past it.
  update persons
  set next_due_at = work_sites.as_of + interval '1 millisecond'
  from work_sites
  where work_sites.site_id = site
    and persons.ctid = any (array(
      select known.place
      from work_persons
      cross join lateral (
        select persons.ctid as place, persons.next_due_at
        from persons
        where persons.site_id = work_persons.site_id and persons.person_id = work_persons.person_id
        offset 0
      ) as known
      join work_sites on work_sites.site_id = work_persons.site_id and known.next_due_at <= work_sites.as_of
    ));
  perform store.derive_stage_metrics();
  perform store.derive_accounts();
  perform store.publish_changes('model');
  return last_person;
end
$$;

-- The last step: from now on the site has its new model. What that makes fall due in the past is nothing to send a message
-- about.
create or replace function store.close_model_switch(site integer) returns void
language plpgsql
as $$
begin
  update store.sites
  set model_name = model_changes.model_name, model_version = model_changes.model_version, triggers_from = now()
  from store.model_changes
  where sites.site_id = site and model_changes.site_id = site;
  -- They know of states of the old version.
  delete from checkpoints where checkpoints.site_id = site;
  -- Which stages somebody was ever in before the cut is kept by their names: who has those under the new version is made anew.
  if exists (select from store.sites where sites.site_id = site and sites.retained_from > '-infinity') then
    perform store.ask_rederivation(site, '{}');
  end if;
  perform store.load_changing_site(site);
  perform store.rank_accounts(site);
  perform store.drop_model_change(site);
end
$$;
