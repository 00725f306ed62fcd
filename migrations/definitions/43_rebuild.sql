-- The tables named without schema are found when a function runs, not when it is made.
set local check_function_bodies = off;

-- Deriving a site again behind its old answers: into twins of the derived tables in a schema of their own, `rebuild`, which
-- comes before `store` in the search path of those at work there. Identities first, then persons, in steps that several
-- workers claim; whoever is touched by live derivation meanwhile is noted and done once more; at last what differs is
-- written in one transaction. The twins are not logged: when a crash of PostgreSQL empties them, all is begun anew.

-- Whether sums are kept by differences. Not in the steps of a rebuild, which adds everything up when they are done.
create or replace function store.keeps_sums() returns boolean
language sql stable
return coalesce(current_setting('milepost.keeps_sums', true), '') <> 'no';

-- Whom live derivation has at hand, where their site is being derived again.
create or replace function store.note_for_rederivation() returns void
language plpgsql
as $$
begin
  if not exists (select from store.rederivations) then
    return;
  end if;
  insert into store.rederivation_notes (site_id, kind, id)
  select noted.site_id, noted.kind, noted.id
  from (
    select work_identities.site_id, 'identities' as kind, work_identities.identity_id as id from work_identities
    union all
    select persons.site_id, 'persons', persons.person_id
    from (
      select work_persons.site_id, work_persons.person_id from work_persons
      union
      select work_days.site_id, work_days.person_id from work_days
      union
      select work_carts.site_id, work_carts.person_id from work_carts
      union
      select work_orders.site_id, work_orders.person_id from work_orders where work_orders.person_id is not null
      union
      select at_hand.site_id, at_hand.person_id
      from work_orders
      cross join lateral (
        select orders.site_id, orders.person_id
        from orders
        where orders.site_id = work_orders.site_id and orders.order_id = work_orders.order_id
        offset 0
      ) as at_hand
    ) as persons
  ) as noted
  where noted.site_id in (select rederivations.site_id from store.rederivations where rederivations.phase <> 'waiting');
end
$$;

-- The first half of a rebuild: the spells of whole identities, from all their touchpoints that are not waiting.
create or replace function store.rebuild_identities(sites integer[], identity_ids uuid[]) returns void
language plpgsql
as $$
begin
  perform store.clear_work_tables();
  perform store.load_work_sites(array(select distinct at_hand.site_id from unnest(sites) as at_hand (site_id)));
  insert into work_identities (site_id, identity_id, is_replayed)
  select at_hand.site_id, at_hand.identity_id, true
  from unnest(rebuild_identities.sites, rebuild_identities.identity_ids) as at_hand (site_id, identity_id);
  perform store.load_replays();
  update work_touchpoints set is_new = true;
  -- Links that have come since they were all looked at, and whoever else is concerned by those.
  perform store.collect_links();
  if exists (select from work_sightings) then
    perform store.collect_sighted_identities();
  end if;
  perform store.take_corrections(at_hand.site_id, array_agg(at_hand.identity_id))
  from unnest(rebuild_identities.sites, rebuild_identities.identity_ids) as at_hand (site_id, identity_id)
  where exists (select from store.identity_corrections where identity_corrections.site_id = at_hand.site_id)
  group by at_hand.site_id;
  perform store.derive_links();
  perform store.load_replays();
  perform store.load_sightings();
  perform store.compute_spells();
  perform store.store_spells();
  perform store.store_user_identities();
  perform store.derive_account_facts();
end
$$;

-- The second half: everything else of whole persons.
create or replace function store.rebuild_persons(sites integer[], person_ids uuid[]) returns void
language plpgsql
as $$
begin
  perform store.clear_work_tables();
  perform store.load_work_sites(array(select distinct at_hand.site_id from unnest(sites) as at_hand (site_id)));
  perform store.mark_replayed(rebuild_persons.sites, rebuild_persons.person_ids);
  perform store.derive_marked_persons();
end
$$;

-- What a site's row says that derivation may read.
create or replace function store.site_said(site jsonb) returns jsonb
language sql immutable
return site - array['name', 'created_at', 'allowed_origins', 'consent_required', 'changes_kept', 'rejected_kept', 'counters_kept',
  'triggers_from'];

-- Asks for a site to be derived again, with changed settings or as they are. Settings asked for before stay asked for; where
-- others come to them, what was done so far is of no use.
create or replace function store.ask_rederivation(site integer, settings jsonb) returns void
language plpgsql
as $$
begin
  insert into store.rederivations (site_id, settings) values (site, ask_rederivation.settings)
  on conflict (site_id) do update set
    settings = rederivations.settings || excluded.settings,
    phase = case when rederivations.settings || excluded.settings = rederivations.settings
      then rederivations.phase else 'waiting' end;
end
$$;

-- Puts aside those of the settings that derivation reads and that say something new: the site has them once it is derived
-- again under them. A site without a touchpoint has them at once. Answers the names of those put aside; null for no site.
create or replace function store.put_settings_aside(site integer, settings jsonb) returns text[]
language plpgsql
as $$
declare
  present jsonb;
  awaited jsonb;
  wanted jsonb;
  aside jsonb;
begin
  select to_jsonb(sites), to_jsonb(jsonb_populate_record(sites, coalesce(rederivations.settings, '{}'))),
    to_jsonb(jsonb_populate_record(sites, put_settings_aside.settings))
  into present, awaited, wanted
  from store.sites
  left join store.rederivations on rederivations.site_id = sites.site_id
  where sites.site_id = site
  for update of sites;
  if present is null then
    return null;
  end if;
  select jsonb_object_agg(named.key, wanted -> named.key) into aside
  from jsonb_object_keys(put_settings_aside.settings) as named (key)
  where wanted -> named.key is distinct from awaited -> named.key
    and exists (select from store.touchpoints where touchpoints.site_id = site);
  if aside is null then
    return '{}';
  end if;
  perform store.ask_rederivation(site, aside);
  return array(select jsonb_object_keys(aside));
end
$$;

-- One step of deriving a site again: claims what nobody is at work on. Answers `worked`, `busy` while nothing can be done but
-- others are at work, `ready` when all that is left is to switch, and `gone` when there is nothing to do at the site.
create or replace function store.rederive(site integer, out state text, out phase text)
language plpgsql
as $$
declare
  run store.rederivations;
  claimed record;
begin
  select rederivations.* into run from store.rederivations where rederivations.site_id = site;
  state := 'worked';
  phase := run.phase;
  if run.site_id is null then
    state := 'gone';
    return;
  end if;

  if run.phase in ('identities', 'persons') and store.is_rederivation_intact(run) then
    select steps.* into claimed
    from rebuild.steps
    where steps.site_id = site and steps.kind = run.phase
    order by steps.step
    limit 1
    for update skip locked;
    if claimed.step is not null then
      perform store.rederive_listed(site, run.phase, claimed.step);
      delete from rebuild.steps where steps.site_id = site and steps.kind = run.phase and steps.step = claimed.step;
      return;
    end if;
  end if;

  -- The rest is one worker's.
  if not pg_try_advisory_xact_lock(hashtext('milepost.rederive'), site) then
    state := 'busy';
    return;
  end if;
  select rederivations.* into run from store.rederivations where rederivations.site_id = site;
  phase := run.phase;
  if run.site_id is null then
    state := 'gone';
  elsif not exists (select from store.sites where sites.site_id = site) then
    perform store.empty_twins(site);
    delete from store.rederivations where rederivations.site_id = site;
    state := 'gone';
  elsif run.phase = 'ready' then
    state := 'ready';
  elsif run.phase = 'waiting' or not store.is_rederivation_intact(run) then
    -- From the commit of this on, live derivation notes whom it touches.
    delete from store.rederivation_notes where rederivation_notes.site_id = site;
    perform store.empty_twins(site);
    update store.rederivations set phase = 'begun', token = gen_random_uuid() where rederivations.site_id = site
    returning rederivations.token into run.token;
    insert into rebuild.marks (site_id, token) values (site, run.token);
  elsif run.phase = 'begun' then
    -- Waits for those that were at work on the site before that, and so noted nothing.
    perform store.lock_site(site);
    insert into rebuild.clocks select clocks.* from store.clocks where clocks.site_id = site;
    insert into rebuild.sites
    select (jsonb_populate_record(sites, run.settings)).* from store.sites where sites.site_id = site;
    update store.rederivations set phase = 'listing' where rederivations.site_id = site;
  elsif run.phase = 'listing' then
    perform store.list_identities(site);
    update store.rederivations set phase = 'identities' where rederivations.site_id = site;
  elsif run.phase in ('identities', 'persons') and exists (
    select from rebuild.steps where steps.site_id = site and steps.kind = run.phase
  ) then
    state := 'busy';
  elsif run.phase = 'identities' then
    analyze rebuild.identities;
    perform store.list_persons(site);
    update store.rederivations set phase = 'persons' where rederivations.site_id = site;
  elsif run.phase = 'persons' then
    update store.rederivations set phase = 'crowds' where rederivations.site_id = site;
  elsif run.phase = 'crowds' then
    select steps.* into claimed
    from rebuild.steps
    where steps.site_id = site and steps.kind = 'crowds'
    order by steps.step
    limit 1;
    if claimed.step is not null then
      perform store.rederive_listed(site, 'crowds', claimed.step);
      delete from rebuild.steps where steps.site_id = site and steps.kind = 'crowds' and steps.step = claimed.step;
    else
      update store.rederivations set phase = 'sums' where rederivations.site_id = site;
    end if;
  elsif run.phase = 'sums' then
    perform store.sum_up(site);
    update store.rederivations set phase = 'catching_up' where rederivations.site_id = site;
  elsif store.catch_up(site) < 500 then
    update store.rederivations set phase = 'ready' where rederivations.site_id = site;
  end if;
end
$$;

-- Whether what was done so far is still there.
create or replace function store.is_rederivation_intact(run store.rederivations) returns boolean
language plpgsql stable
as $$
begin
  return exists (select from rebuild.marks where marks.site_id = run.site_id and marks.token = run.token);
end
$$;

-- Forgets what was made again for a site.
create or replace function store.empty_twins(site integer) returns void
language plpgsql
as $$
declare
  twin record;
begin
  for twin in
    select pg_class.oid::regclass as place from pg_class
    where pg_class.relnamespace = 'rebuild'::regnamespace and pg_class.relkind = 'r'
  loop
    execute format('delete from %s where site_id = $1', twin.place) using site;
  end loop;
end
$$;

-- How far it is: how many identities or persons of how many are done in this phase.
create or replace function store.rederivation_progress(site integer, out phase text, out done bigint, out total bigint)
language plpgsql stable
as $$
begin
  select rederivations.phase, 0, 0 into phase, done, total
  from store.rederivations
  where rederivations.site_id = site;
  if phase in ('identities', 'persons', 'crowds') and to_regclass('rebuild.steps') is not null then
    select coalesce(max(totals.count), 0), coalesce(max(totals.count), 0) - coalesce(sum(steps.count), 0)
    into total, done
    from rebuild.totals
    left join rebuild.steps on steps.site_id = totals.site_id
      and case when rederivation_progress.phase = 'identities' then steps.kind = 'identities'
        else steps.kind in ('persons', 'crowds') end
    where totals.site_id = site
      and totals.kind = case when rederivation_progress.phase = 'identities' then 'identities' else 'persons' end;
  end if;
end
$$;

-- Does once more whom live derivation has touched since, some thousands of them, and lets the timers due by the site's instant
-- fire. Answers how many there were.
create or replace function store.catch_up(site integer) returns integer
language plpgsql
as $$
declare
  identity_ids uuid[];
  person_ids uuid[];
  due_count integer;
begin
  with taken as (
    delete from store.rederivation_notes
    where rederivation_notes.ctid = any (array(
      select noted.ctid from store.rederivation_notes as noted
      where noted.site_id = site and noted.kind = 'identities'
      limit 10000
    ))
    returning rederivation_notes.id
  )

  select array_agg(distinct taken.id) into identity_ids from taken;
  if identity_ids is not null then
    perform store.rebuild_identities(array_fill(site, array[cardinality(identity_ids)]), identity_ids);
    insert into store.rederivation_notes (site_id, kind, id)
    select work_persons.site_id, 'persons', work_persons.person_id from work_persons;
  end if;

  with taken as (
    delete from store.rederivation_notes
    where rederivation_notes.ctid = any (array(
      select noted.ctid from store.rederivation_notes as noted
      where noted.site_id = site and noted.kind = 'persons'
      limit 4000
    ))
    returning rederivation_notes.id
  )

  select array_agg(distinct taken.id) into person_ids from taken;
  if person_ids is not null then
    perform store.rebuild_persons(array_fill(site, array[cardinality(person_ids)]), person_ids);
  end if;

  insert into clocks select live.* from store.clocks as live where live.site_id = site
  on conflict (site_id) do update set as_of = excluded.as_of, newest_touchpoint_at = excluded.newest_touchpoint_at;
  perform store.clear_work_tables();
  perform store.load_work_sites(array[site]);
  insert into work_persons (site_id, person_id, is_replayed)
  select persons.site_id, persons.person_id, false
  from persons
  join work_sites on work_sites.site_id = persons.site_id and persons.next_due_at <= work_sites.as_of
  where persons.site_id = site
  limit 4000;
  get diagnostics due_count = row_count;
  if due_count > 0 then
    perform store.derive_work();
  end if;
  return coalesce(cardinality(identity_ids), 0) + coalesce(cardinality(person_ids), 0) + due_count;
end
$$;

-- Opens the switch: holds the site until its transaction ends, and does the last of what is left. Answers `ready`, `gone` when
-- another has switched, or `anew` when the site's row says something else by now and all must be done once more.
create or replace function store.open_rederivation_switch(site integer) returns text
language plpgsql
as $$
declare
  run store.rederivations;
begin
  perform pg_advisory_xact_lock(hashtext('milepost.rederive'), site);
  select rederivations.* into run from store.rederivations where rederivations.site_id = site for update;
  if run.site_id is null then
    return 'gone';
  end if;
  perform store.lock_site(site);
  perform from store.sites where sites.site_id = site for update;
  if run.phase <> 'ready' or not store.is_rederivation_intact(run) or not exists (
    select from store.sites
    join rebuild.sites as again on again.site_id = sites.site_id
    where sites.site_id = site
      and store.site_said(to_jsonb(sites)) || run.settings = store.site_said(to_jsonb(again)) || run.settings
  ) then
    update store.rederivations set phase = 'waiting' where rederivations.site_id = site;
    return 'anew';
  end if;
  while store.catch_up(site) > 0 loop
  end loop;
  return 'ready';
end
$$;
