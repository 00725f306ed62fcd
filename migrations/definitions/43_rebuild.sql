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

-- How many touchpoints one step takes, about.
create or replace function store.touchpoints_per_step() returns integer
language sql stable
return coalesce(nullif(current_setting('milepost.touchpoints_per_step', true), '')::integer, 10000);

-- The identities of a site, in steps of about as many touchpoints each.
create or replace function store.list_identities(site integer) returns void
language plpgsql
set enable_seqscan = on set enable_hashjoin = on set plan_cache_mode = force_custom_plan
as $$
begin
  perform store.rebuild_links(array[site]);
  insert into rebuild.listed (site_id, kind, step, id, weight)
  select site, 'identities',
    div(sum(known.weight) over (order by known.identity_id) - known.weight, store.touchpoints_per_step()),
    known.identity_id, known.weight
  from (
    select touchpoints.identity_id, count(*) as weight
    from store.touchpoints
    where touchpoints.site_id = site and touchpoints.bot_reason is null and touchpoints.internal_reason is null
      and touchpoints.batch_id not in (select batches.batch_id from store.batches where batches.site_id = site)
    group by touchpoints.identity_id
    union all
    select distinct identity_sightings.identity_id, 1
    from identity_sightings
    where identity_sightings.site_id = site
      and not exists (
        select from store.touchpoints
        where touchpoints.site_id = site and touchpoints.identity_id = identity_sightings.identity_id
          and touchpoints.bot_reason is null and touchpoints.internal_reason is null
          and touchpoints.batch_id not in (select batches.batch_id from store.batches where batches.site_id = site)
      )
  ) as known;
  perform store.list_steps(site, 'identities');
end
$$;

create or replace function store.list_steps(site integer, the_kind text) returns void
language plpgsql
set enable_seqscan = on set enable_hashjoin = on
as $$
begin
  insert into rebuild.steps (site_id, kind, step, count)
  select site, the_kind, listed.step, count(*)
  from rebuild.listed
  where listed.site_id = site and listed.kind = the_kind
  group by listed.step;
  insert into rebuild.totals (site_id, kind, count)
  select site, case the_kind when 'crowds' then 'persons' else the_kind end, coalesce(sum(steps.count), 0)
  from rebuild.steps
  where steps.site_id = site and steps.kind = the_kind
  on conflict (site_id, kind) do update set count = totals.count + excluded.count;
end
$$;

-- The persons of a site. Those who share a browser, an order or a cart with one another are done in one step, so that no two
-- workers write the same rows; a crowd too large for that is left for one worker in the end.
create or replace function store.list_persons(site integer) returns void
language plpgsql
set enable_nestloop = off set enable_seqscan = on set enable_hashjoin = on set plan_cache_mode = force_custom_plan
as $$
begin
  create temporary table at_hand_persons on commit drop as
  select owned.person_id, owned.weight, owned.number, owned.number as label
  from (
    select identities.person_id, coalesce(sum(listed.weight), 0) as weight,
      (row_number() over (order by identities.person_id))::integer as number
    from rebuild.identities
    left join rebuild.listed
      on listed.site_id = identities.site_id and listed.kind = 'identities' and listed.id = identities.identity_id
    where identities.site_id = site
    group by identities.person_id
  ) as owned;

  create temporary table at_hand_links on commit drop as
  with said as (
    select mentions.identity_id, mentions.mention from rebuild.mentions where mentions.site_id = site
    union
    select retained_persons.identity_id, hashtextextended('cart ' || (held.cart ->> 'cart_id'), 0)
    from store.retained_persons
    cross join lateral jsonb_array_elements(retained_persons.cart_ids) as held (cart)
    where retained_persons.site_id = site
    union
    select identities.identity_id, hashtextextended(identities.identity_id::text, 0)
    from rebuild.identities
    where identities.site_id = site
    group by identities.identity_id
    having count(*) > 1
  ),

  links as (
    select distinct said.mention, at_hand_persons.number
    from said
    join rebuild.identities on identities.site_id = site and identities.identity_id = said.identity_id
    join at_hand_persons on at_hand_persons.person_id = identities.person_id
  )

  select links.mention, links.number
  from links
  where links.mention in (select several.mention from links as several group by several.mention having count(*) > 1);

  loop
    update at_hand_persons
    set label = lower.label
    from (
      select at_hand_links.number, min(lowest.label) as label
      from at_hand_links
      join (
        select linked.mention, min(persons.label) as label
        from at_hand_links as linked
        join at_hand_persons as persons on persons.number = linked.number
        group by linked.mention
      ) as lowest on lowest.mention = at_hand_links.mention
      group by at_hand_links.number
    ) as lower
    where at_hand_persons.number = lower.number and lower.label < at_hand_persons.label;
    exit when not found;
  end loop;

  insert into rebuild.listed (site_id, kind, step, id, weight)
  with groups as (
    select at_hand_persons.label, sum(at_hand_persons.weight) as weight,
      count(*) > 1 and sum(at_hand_persons.weight) > 10 * store.touchpoints_per_step() as is_crowd
    from at_hand_persons
    group by at_hand_persons.label
  ),

  placed as (
    select groups.label, groups.is_crowd,
      sum(groups.weight) over (partition by groups.is_crowd order by groups.label) - groups.weight as place
    from groups
  )

  select site, case when placed.is_crowd then 'crowds' else 'persons' end,
    div(
      case when placed.is_crowd
        then placed.place + sum(at_hand_persons.weight) over (partition by placed.label order by at_hand_persons.number)
          - at_hand_persons.weight
        else placed.place end,
      store.touchpoints_per_step()
    ),
    at_hand_persons.person_id, at_hand_persons.weight
  from at_hand_persons
  join placed on placed.label = at_hand_persons.label;
  perform store.list_steps(site, 'persons');
  perform store.list_steps(site, 'crowds');
  drop table at_hand_persons, at_hand_links;
end
$$;

-- Does one step of what is listed.
create or replace function store.rederive_listed(site integer, the_kind text, the_step integer) returns void
language plpgsql
as $$
declare
  ids uuid[] := array(
    select listed.id from rebuild.listed
    where listed.site_id = site and listed.kind = the_kind and listed.step = the_step
  );
begin
  perform set_config('milepost.keeps_sums', 'no', true);
  if the_kind = 'identities' then
    perform store.rederive_identities(site, ids);
  else
    perform store.rebuild_persons(array_fill(site, array[cardinality(ids)]), ids);
  end if;
end
$$;

-- The spells of identities of which nothing is derived yet, and what links their persons with others.
create or replace function store.rederive_identities(site integer, identity_ids uuid[]) returns void
language plpgsql
as $$
begin
  perform store.clear_work_tables();
  perform store.load_work_sites(array[site]);
  insert into work_identities (site_id, identity_id, is_replayed, is_loaded)
  select site, at_hand.identity_id, true, true
  from unnest(rederive_identities.identity_ids) as at_hand (identity_id);

  -- Only what is read of them here.
  insert into work_touchpoints (
    site_id, touchpoint_id, identity_id, occurred_at, sequence, name, is_trusted, anonymous_id, user_id, identities, properties,
    account_id, account_traits, is_new
  )
  select site, touchpoints.touchpoint_id, touchpoints.identity_id, touchpoints.occurred_at, touchpoints.sequence,
    touchpoints.name, touchpoints.is_trusted, touchpoints.anonymous_id, touchpoints.user_id,
    case when touchpoints.anonymous_id is null and touchpoints.user_id is null then touchpoints.identities end,
    case when store.reads_properties(touchpoints.name) then touchpoints.properties end,
    touchpoints.account_id,
    case when touchpoints.account_id is not null and touchpoints.type = 'group' then touchpoints.traits end,
    true
  from unnest(rederive_identities.identity_ids) as at_hand (identity_id)
  cross join lateral (
    select touchpoints.*
    from store.touchpoints
    where touchpoints.site_id = site and touchpoints.identity_id = at_hand.identity_id
      and touchpoints.bot_reason is null and touchpoints.internal_reason is null
    offset 0
  ) as touchpoints
  where touchpoints.batch_id not in (select batches.batch_id from store.batches where batches.site_id = site);

  perform store.note_mentions(site);
  perform store.load_sightings();
  perform store.compute_spells();
  perform store.store_spells();
  perform store.store_user_identities();
  perform store.derive_account_facts();
end
$$;

-- The orders and carts that identities told of.
create or replace function store.note_mentions(site integer) returns void
language plpgsql
as $$
begin
  insert into rebuild.mentions (site_id, identity_id, mention)
  select distinct site, said.identity_id, hashtextextended(said.mention, 0)
  from (
    select work_touchpoints.identity_id, mentions.mention
    from work_touchpoints
    cross join lateral (
      values ('order ' || coalesce(store.text_of(work_touchpoints.properties -> 'transaction_id'),
          store.text_of(work_touchpoints.properties -> 'order_id'))),
        ('cart ' || store.text_of(work_touchpoints.properties -> 'cart_id'))
    ) as mentions (mention)
    where work_touchpoints.properties is not null and mentions.mention is not null
  ) as said;
end
$$;

-- All the sums of a site, from the rows of its persons.
create or replace function store.sum_up(site integer) returns void
language plpgsql
set enable_nestloop = off set enable_seqscan = on set enable_hashjoin = on set plan_cache_mode = force_custom_plan
as $$
begin
  perform store.clear_work_tables();
  perform store.load_work_sites(array[site]);

  insert into day_metrics (
    site_id, day, channel, source, campaign, device, sessions, converting_sessions, persons, converting_persons, conversions,
    orders, revenue, refunded, unconverted_orders, person_row_count, primary_conversions
  )
  select person_days.site_id, person_days.day, person_days.channel, person_days.source, person_days.campaign, person_days.device,
    sum(person_days.sessions), sum(person_days.converting_sessions),
    count(*) filter (where person_days.sessions > 0 or person_days.conversions > 0 or person_days.orders > 0),
    count(*) filter (where person_days.primary_conversions > 0),
    sum(person_days.conversions), sum(person_days.orders), trim_scale(sum(person_days.revenue)),
    trim_scale(sum(person_days.refunded)), sum(person_days.unconverted_orders), count(*), sum(person_days.primary_conversions)
  from person_days
  where person_days.site_id = site
  group by person_days.site_id, person_days.day, person_days.channel, person_days.source, person_days.campaign,
    person_days.device;

  insert into stage_standings (site_id, stage, furthest, entered_stages, persons)
  select persons.site_id, persons.stage, persons.furthest, persons.entered_stages, count(*)
  from persons
  where persons.site_id = site and persons.stage is not null
  group by persons.site_id, persons.stage, persons.furthest, persons.entered_stages;

  insert into stage_days (site_id, day, channel, stage, to_stage, step, stays, milliseconds)
  select stays.site_id, stays.day, stays.channel, stays.stage, stays.to_stage, stays.step, count(*), sum(stays.milliseconds)
  from (
    select stage_transitions.site_id, coalesce(persons.first_channel, 'Unassigned') as channel, ends.*
    from stage_transitions
    join work_sites on work_sites.site_id = stage_transitions.site_id
    join persons on persons.site_id = stage_transitions.site_id and persons.person_id = stage_transitions.person_id
    cross join lateral (
      select (stage_transitions.occurred_at at time zone work_sites.time_zone)::date as day,
        stage_transitions.to_stage as stage, '' as to_stage, 0::smallint as step, 0::bigint as milliseconds
      union all
      select
        ((stage_transitions.occurred_at - stage_transitions.seconds_in_from_stage * interval '1 second')
          at time zone work_sites.time_zone)::date,
        stage_transitions.from_stage, stage_transitions.to_stage,
        store.length_step(stage_transitions.seconds_in_from_stage),
        round(stage_transitions.seconds_in_from_stage * 1000)::bigint
      where stage_transitions.from_stage is not null
    ) as ends
    where stage_transitions.site_id = site
  ) as stays
  group by stays.site_id, stays.day, stays.channel, stays.stage, stays.to_stage, stays.step;

  insert into stage_lengths (site_id, stage, to_stage, step, stays, milliseconds)
  select stage_days.site_id, stage_days.stage, stage_days.to_stage, stage_days.step, sum(stage_days.stays),
    sum(stage_days.milliseconds)
  from stage_days
  where stage_days.site_id = site and stage_days.to_stage <> ''
  group by stage_days.site_id, stage_days.stage, stage_days.to_stage, stage_days.step;

  insert into account_stages (site_id, account_id, stage, members)
  select account_members.site_id, account_members.account_id, account_members.counted_stage, count(*)
  from account_members
  where account_members.site_id = site and account_members.to_at is null and account_members.counted_stage is not null
  group by account_members.site_id, account_members.account_id, account_members.counted_stage;

  update accounts
  set member_count = counted.members, order_count = counted.orders, net_revenue = counted.revenue
  from (
    select account_members.account_id, count(*) as members, coalesce(sum(account_members.counted_orders), 0) as orders,
      trim_scale(coalesce(sum(account_members.counted_revenue), 0)) as revenue
    from account_members
    where account_members.site_id = site and account_members.to_at is null
    group by account_members.account_id
  ) as counted
  where accounts.site_id = site and accounts.account_id = counted.account_id;
  perform store.rank_accounts(site);
  perform store.add_retained_sums(site);
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

-- What a changed setting makes of where persons stand and of their carts, noted for the feed before it is written.
create or replace function store.note_rederived(site integer) returns void
language plpgsql
set enable_seqscan = on set enable_hashjoin = on set enable_mergejoin = on set plan_cache_mode = force_custom_plan
as $$
begin
  perform store.clear_work_tables();

  create temporary table at_hand_moved on commit drop as
  select coalesce(before.person_id, now.person_id) as person_id, before.stage, before.journey_number, before.since, before.furthest,
    now.transition_count as transition_count_now, now.furthest as furthest_now, now.since as since_now,
    (before.stage, before.journey_number, before.since) is distinct from (now.stage, now.journey_number, now.since) as is_elsewhere
  from (select persons.* from store.persons where persons.site_id = site) as before
  full join (select persons.* from rebuild.persons where persons.site_id = site) as now on now.person_id = before.person_id
  where (before.stage, before.journey_number, before.since) is distinct from (now.stage, now.journey_number, now.since);

  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select site, moved.person_id, 'stage.changed', coalesce(latest.transition_id, moved.person_id)::text,
    coalesce(latest.occurred_at, moved.since),
    case when moved.stage is not null then jsonb_build_object(
      'stage', moved.stage, 'furthest_stage', model_machines.stages[moved.furthest],
      'journey_number', moved.journey_number, 'since', moved.since) end,
    case when latest.transition_id is not null then jsonb_build_object(
      'stage', latest.to_stage, 'furthest_stage', model_machines.stages[moved.furthest_now],
      'journey_number', latest.journey_number, 'since', latest.occurred_at,
      'transition', store.transition_told(latest.transition)) end
  from at_hand_moved as moved
  join rebuild.sites on sites.site_id = site
  join store.model_machines
    on model_machines.model_name = sites.model_name and model_machines.version = sites.model_version
  left join lateral (
    select stage_transitions.*, row(stage_transitions.*)::store.stage_transitions as transition
    from rebuild.stage_transitions
    where stage_transitions.site_id = site and stage_transitions.person_id = moved.person_id
      and stage_transitions.transition_number = moved.transition_count_now
  ) as latest on true;

  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select site, corrected.person_id, 'transition.corrected', corrected.person_id::text, min(corrected.occurred_at),
    jsonb_agg(corrected.told order by corrected.transition_number) filter (where not corrected.is_now),
    jsonb_agg(corrected.told order by corrected.transition_number) filter (where corrected.is_now)
  from (
    select coalesce(before.person_id, now.person_id) as person_id, sides.is_now, sides.transition_number, sides.occurred_at, sides.told
    from (
      select stage_transitions.person_id, stage_transitions.transition_number, stage_transitions.occurred_at,
        store.transition_told(stage_transitions) as told
      from store.stage_transitions
      where stage_transitions.site_id = site
    ) as before
    full join (
      select stage_transitions.person_id, stage_transitions.transition_number, stage_transitions.occurred_at,
        store.transition_told(row(stage_transitions.*)::store.stage_transitions) as told
      from rebuild.stage_transitions
      where stage_transitions.site_id = site
    ) as now on now.person_id = before.person_id and now.told = before.told
    cross join lateral (
      select false as is_now, before.transition_number, before.occurred_at, before.told where before.person_id is not null
      union all
      select true, now.transition_number, now.occurred_at, now.told where now.person_id is not null
    ) as sides
    where before.person_id is null or now.person_id is null
  ) as corrected
  where corrected.person_id not in (select moved.person_id from at_hand_moved as moved)
  group by corrected.person_id;

  insert into work_changes (site_id, person_id, type, subject_id, occurred_at, before, after)
  select site, coalesce(now.person_id, before.person_id),
    case when now.state = 'recovered' and before.state is distinct from 'recovered' then 'cart.recovered' else 'cart.changed' end,
    coalesce(now.cart_key, before.cart_key)::text,
    greatest(now.last_activity_at, now.abandoned_at, now.closed_at,
      case when now.cart_key is null then before.last_activity_at end),
    before.told,
    now.told || case when now.state = 'recovered' then jsonb_build_object('trigger_id',
      store.recovering_trigger(site, now.cart_key, now.closed_at, (
        select sites.recovery_window from rebuild.sites where sites.site_id = site))) else '{}' end
  from (
    select carts.cart_key, carts.person_id, carts.state, carts.last_activity_at, store.cart_told(carts) as told
    from store.carts
    where carts.site_id = site
  ) as before
  full join (
    select carts.cart_key, carts.person_id, carts.state, carts.last_activity_at, carts.abandoned_at, carts.closed_at,
      store.cart_told(row(carts.*)::store.carts) as told
    from rebuild.carts
    where carts.site_id = site
  ) as now on now.cart_key = before.cart_key
  where before.told is distinct from now.told;
  drop table at_hand_moved;
end
$$;
