-- The tables named without schema are found when a function runs, not when it is made.
set local check_function_bodies = off;

-- What deriving a site again is done in: steps of identities, and of persons who have nothing to do with those of another step.

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
