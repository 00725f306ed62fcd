-- Accounts (SEMANTICS 11): organisations that persons belong to. Joining and leaving are folded over a person's calls, so
-- they follow the person through merges; what is told of an account itself depends on no person.

-- The fold: one more call of the person. `role` is null where it says nothing of a role, JSON null where it says there is
-- none. A person belongs to at most 100 accounts at once: each of them costs something whenever the person moves.
create or replace function store.membership_step(
  state store.membership_state, seed store.membership[], account_id text, membership text, role jsonb,
  at timestamptz, sequence bigint, touchpoint_id uuid
) returns store.membership_state
language plpgsql immutable
as $$
declare
  present store.membership[] := case when state is null then coalesce(seed, '{}') else state.present end;
  past store.membership[] := case when state is null then '{}' else state.past end;
  the_role text := nullif(store.text_of(role), '');
  place integer := 1;
  known store.membership;
begin
  while place <= cardinality(present) and present[place].account_id <> membership_step.account_id loop
    place := place + 1;
  end loop;
  known := present[place];

  if known.account_id is null then
    if membership = 'member' and cardinality(present) < 100 then
      present := present || row(membership_step.account_id, the_role, at, at, sequence, touchpoint_id, null, null, null, false)::store.membership;
    end if;
  elsif membership = 'left' or (role is not null and the_role is distinct from known.role) then
    known.to_at := at;
    known.to_sequence := sequence;
    known.to_touchpoint_id := touchpoint_id;
    known.is_left := membership = 'left';
    past := past || known;
    if membership = 'left' then
      present := present[: place - 1] || present[place + 1 :];
    else
      present[place] := row(known.account_id, the_role, known.joined_at, at, sequence, touchpoint_id, null, null, null, false)::store.membership;
    end if;
  end if;
  return row(present, past)::store.membership_state;
end
$$;

create or replace aggregate store.memberships_of(
  store.membership[], text, text, jsonb, timestamptz, bigint, uuid
) (sfunc = store.membership_step, stype = store.membership_state);

-- Of two lists of things told, per key the one that holds: what a secret key told before what a write key did, which anybody
-- may use, then the later in order. Of more than 500 keys those told last: whoever invents keys makes no row grow for ever.
create or replace function store.told_together(told jsonb, others jsonb) returns jsonb
language plpgsql immutable
as $$
begin
  return (
    select jsonb_object_agg(latest.key, latest.entry)
    from (
      select entries.key, entries.entry
      from (
        select distinct on (entries.key) entries.key, entries.entry, (entries.entry -> 'trusted')::boolean as trusted,
          (entries.entry -> 'at')::numeric as at, (entries.entry -> 'sequence')::bigint as sequence,
          (entries.entry ->> 'id')::uuid as id
        from (
          select kept.key, kept.value as entry from jsonb_each(told) as kept (key, value)
          union all
          select other.key, other.value from jsonb_each(others) as other (key, value)
        ) as entries
        order by entries.key, trusted desc, at desc, sequence desc, id desc
      ) as entries
      order by entries.trusted desc, entries.at desc, entries.sequence desc, entries.id desc, entries.key collate "C"
      limit 500
    ) as latest
  );
end
$$;

-- What the new touchpoints say of accounts, whoever says it, in whatever order.
create or replace function store.derive_account_facts() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  if not exists (select from work_touchpoints where is_new and account_id is not null) then
    return;
  end if;
  insert into accounts (site_id, account_id, first_seen_at, last_seen_at, told)
  with latest as (
    select distinct on (work_touchpoints.site_id, work_touchpoints.account_id, traits.key)
      work_touchpoints.site_id, work_touchpoints.account_id, traits.key,
      jsonb_build_object('value', traits.value, 'trusted', work_touchpoints.is_trusted,
        'at', extract(epoch from work_touchpoints.occurred_at), 'sequence', work_touchpoints.sequence,
        'id', work_touchpoints.touchpoint_id) as entry
    from work_touchpoints
    cross join lateral jsonb_each(work_touchpoints.account_traits) as traits (key, value)
    where work_touchpoints.is_new and work_touchpoints.account_traits is not null
      -- these are about the member who calls, and contacts are no traits
      and traits.key not in ('role', 'left', 'is_member', 'email', 'phone')
    order by work_touchpoints.site_id, work_touchpoints.account_id, traits.key, work_touchpoints.is_trusted desc,
      work_touchpoints.occurred_at desc, work_touchpoints.sequence desc, work_touchpoints.touchpoint_id desc
  ),

  told as (
    select latest.site_id, latest.account_id, jsonb_object_agg(latest.key, latest.entry) as told
    from latest
    group by latest.site_id, latest.account_id
  ),

  seen as (
    select work_touchpoints.site_id, work_touchpoints.account_id,
      min(work_touchpoints.occurred_at) as first_seen_at, max(work_touchpoints.occurred_at) as last_seen_at
    from work_touchpoints
    where work_touchpoints.is_new and work_touchpoints.account_id is not null
    group by work_touchpoints.site_id, work_touchpoints.account_id
  )

  select seen.site_id, seen.account_id, seen.first_seen_at, seen.last_seen_at, store.told_together(told.told, null)
  from seen
  left join told on told.site_id = seen.site_id and told.account_id = seen.account_id
  order by seen.site_id, seen.account_id -- two that write the same ones do not wait for each other crosswise
  on conflict (site_id, account_id) do update set
    first_seen_at = least(accounts.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(accounts.last_seen_at, excluded.last_seen_at),
    told = case when excluded.told is null then accounts.told else store.told_together(accounts.told, excluded.told) end;
end
$$;

-- Memberships of the persons at hand, and what accounts count of them. Persons are written already.
create or replace function store.derive_accounts() returns void
language plpgsql
as $$
begin
  if not exists (
    select from work_sites where exists (select from accounts where accounts.site_id = work_sites.site_id)
  ) then
    return;
  end if;
  perform store.note_present_members(-1);
  perform store.compute_memberships();
  perform store.store_memberships();
  perform store.count_members();
  perform store.note_present_members(1);
  if store.keeps_sums() then
    perform store.store_account_counts();
  end if;
end
$$;

-- From where memberships stand or, when replayed, from where they stood at the checkpoint: what stands says that itself.
create or replace function store.compute_memberships() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_memberships
  with calls as (
    select work_persons.site_id, work_persons.person_id, work_touchpoints.account_id, work_touchpoints.membership,
      work_touchpoints.role, work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id
    from work_persons
    join work_touchpoints
      on work_touchpoints.site_id = work_persons.site_id and work_touchpoints.person_id = work_persons.person_id
    where work_touchpoints.membership is not null
      and case when work_persons.is_replayed
        then work_persons.is_base_retained -- retention keeps every such call
          or (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
            > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
        else work_touchpoints.is_new end
  ),

  seeds as (
    select at_hand.site_id, at_hand.person_id, at_hand.is_caller, present.memberships
    from (
      select work_persons.*, callers.person_id is not null as is_caller
      from work_persons
      left join (select distinct calls.site_id, calls.person_id from calls) as callers
        on callers.site_id = work_persons.site_id and callers.person_id = work_persons.person_id
      where (work_persons.has_base and not work_persons.is_base_retained)
        or (callers.person_id is not null and not work_persons.is_replayed)
    ) as at_hand
    cross join lateral (
      select array_agg(
        row(account_members.account_id, account_members.role, account_members.joined_at, account_members.from_at,
          account_members.from_sequence, account_members.from_touchpoint_id, null, null, null, false)::store.membership
      ) as memberships
      from account_members
      where account_members.site_id = at_hand.site_id and account_members.person_id = at_hand.person_id
        and case when at_hand.is_replayed
          then (account_members.from_at, account_members.from_sequence, account_members.from_touchpoint_id)
              <= (at_hand.base_at, at_hand.base_sequence, at_hand.base_touchpoint_id)
            and (account_members.to_at is null
              or (account_members.to_at, account_members.to_sequence, account_members.to_touchpoint_id)
                > (at_hand.base_at, at_hand.base_sequence, at_hand.base_touchpoint_id))
          else account_members.to_at is null end
      offset 0
    ) as present
  ),

  folded as (
    select calls.site_id, calls.person_id,
      store.memberships_of(seeds.memberships, calls.account_id, calls.membership, calls.role, calls.occurred_at, calls.sequence,
        calls.touchpoint_id order by calls.occurred_at, calls.sequence, calls.touchpoint_id) as state
    from calls
    left join seeds on seeds.site_id = calls.site_id and seeds.person_id = calls.person_id
    group by calls.site_id, calls.person_id
  )

  select results.site_id, results.person_id, memberships.account_id, memberships.role, memberships.joined_at,
    memberships.from_at, memberships.from_sequence, memberships.from_touchpoint_id, memberships.to_at, memberships.to_sequence,
    memberships.to_touchpoint_id, memberships.is_left
  from (
    select folded.site_id, folded.person_id, (folded.state).present || (folded.state).past as memberships from folded
    union all
    select seeds.site_id, seeds.person_id, seeds.memberships from seeds where not seeds.is_caller
  ) as results
  cross join lateral unnest(results.memberships) as memberships;
end
$$;

create or replace function store.store_memberships() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  delete from account_members
  where account_members.ctid = any (array(
    select known.place
    from work_persons
    cross join lateral (
      select account_members.ctid as place, account_members.account_id, account_members.from_touchpoint_id
      from account_members
      where account_members.site_id = work_persons.site_id and account_members.person_id = work_persons.person_id
        and (work_persons.is_base_retained
          or (account_members.from_at, account_members.from_sequence, account_members.from_touchpoint_id)
            > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id))
      offset 0
    ) as known
    where work_persons.is_replayed
      and not exists (
        select from work_memberships
        where work_memberships.site_id = work_persons.site_id and work_memberships.person_id = work_persons.person_id
          and work_memberships.account_id = known.account_id
          and work_memberships.from_touchpoint_id = known.from_touchpoint_id
      )
  ));

  insert into account_members (
    site_id, person_id, account_id, role, joined_at, from_at, from_sequence, from_touchpoint_id, to_at, to_sequence,
    to_touchpoint_id, is_left
  )
  select work_memberships.*
  from work_memberships
  on conflict (site_id, person_id, account_id, from_touchpoint_id) do update set
    role = excluded.role, joined_at = excluded.joined_at, to_at = excluded.to_at, to_sequence = excluded.to_sequence,
    to_touchpoint_id = excluded.to_touchpoint_id, is_left = excluded.is_left,
    counted_stage = case when excluded.to_at is null then account_members.counted_stage end,
    counted_orders = case when excluded.to_at is null then account_members.counted_orders end,
    counted_revenue = case when excluded.to_at is null then account_members.counted_revenue end
  where (account_members.role, account_members.joined_at, account_members.to_at, account_members.to_sequence,
      account_members.to_touchpoint_id, account_members.is_left)
    is distinct from (excluded.role, excluded.joined_at, excluded.to_at, excluded.to_sequence, excluded.to_touchpoint_id,
      excluded.is_left);
end
$$;

-- What accounts count of the persons at hand: before (weight -1) and now (weight 1).
create or replace function store.note_present_members(weight integer) returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_members
  select note_present_members.weight, work_persons.site_id, present.account_id, present.counted_stage, present.counted_orders,
    present.counted_revenue
  from work_persons
  cross join lateral (
    select account_members.account_id, account_members.counted_stage, account_members.counted_orders,
      account_members.counted_revenue
    from account_members
    where account_members.site_id = work_persons.site_id and account_members.person_id = work_persons.person_id
      and account_members.to_at is null
    offset 0
  ) as present;
end
$$;

-- Brings what is counted of the persons at hand to where they stand now.
create or replace function store.count_members() returns void
language plpgsql
as $$
begin
  insert into account_members (
    site_id, person_id, account_id, joined_at, from_at, from_sequence, from_touchpoint_id, counted_stage, counted_orders,
    counted_revenue
  )
  select work_persons.site_id, work_persons.person_id, present.account_id, present.joined_at, present.from_at,
    present.from_sequence, present.from_touchpoint_id, persons.stage, persons.order_count, persons.net_revenue
  from work_persons
  cross join lateral (
    select account_members.*
    from account_members
    where account_members.site_id = work_persons.site_id and account_members.person_id = work_persons.person_id
      and account_members.to_at is null
    offset 0
  ) as present
  cross join lateral (
    select persons.stage, persons.order_count, persons.net_revenue
    from persons
    where persons.site_id = work_persons.site_id and persons.person_id = work_persons.person_id
    offset 0
  ) as persons
  where (present.counted_stage, present.counted_orders, present.counted_revenue)
    is distinct from (persons.stage, persons.order_count, persons.net_revenue)
  on conflict (site_id, person_id, account_id, from_touchpoint_id) do update set
    counted_stage = excluded.counted_stage, counted_orders = excluded.counted_orders,
    counted_revenue = excluded.counted_revenue;
end
$$;

-- Writes the differences.
create or replace function store.store_account_counts() returns void
language plpgsql
as $$
begin
  insert into account_stages
  select work_members.site_id, work_members.account_id, work_members.stage, sum(work_members.weight)
  from work_members
  where work_members.stage is not null
  group by work_members.site_id, work_members.account_id, work_members.stage
  having sum(work_members.weight) <> 0
  on conflict (site_id, account_id, stage) do update set members = account_stages.members + excluded.members;

  delete from account_stages
  where account_stages.ctid = any (array(
    select known.place
    from (
      select distinct work_members.site_id, work_members.account_id from work_members where work_members.weight < 0
    ) as at_hand
    cross join lateral (
      select account_stages.ctid as place, account_stages.members
      from account_stages
      where account_stages.site_id = at_hand.site_id and account_stages.account_id = at_hand.account_id
      offset 0
    ) as known
    where known.members = 0
  ));

  insert into accounts (site_id, account_id, first_seen_at, last_seen_at, stage, member_count, order_count, net_revenue)
  select changed.site_id, changed.account_id, present.first_seen_at, present.last_seen_at,
    store.account_stage(changed.site_id, changed.account_id, model_machines.stages),
    changed.members, changed.orders, changed.revenue
  from (
    select work_members.site_id, work_members.account_id, sum(work_members.weight) as members,
      sum(work_members.weight * work_members.order_count) as orders,
      sum(work_members.weight * work_members.net_revenue) as revenue
    from work_members
    group by work_members.site_id, work_members.account_id
    having sum(work_members.weight) <> 0 or sum(work_members.weight * work_members.order_count) <> 0
      or sum(work_members.weight * work_members.net_revenue) <> 0
      or array_agg(work_members.stage order by work_members.stage) filter (where work_members.weight < 0)
        is distinct from array_agg(work_members.stage order by work_members.stage) filter (where work_members.weight > 0)
  ) as changed
  join work_sites on work_sites.site_id = changed.site_id
  join store.model_machines
    on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version
  cross join lateral (
    select accounts.first_seen_at, accounts.last_seen_at
    from accounts
    where accounts.site_id = changed.site_id and accounts.account_id = changed.account_id
    offset 0
  ) as present
  on conflict (site_id, account_id) do update set
    stage = excluded.stage, member_count = accounts.member_count + excluded.member_count,
    order_count = accounts.order_count + excluded.order_count,
    net_revenue = trim_scale(accounts.net_revenue + excluded.net_revenue);
end
$$;

-- The furthest stage that a present member holds.
create or replace function store.account_stage(site integer, account text, stages text[]) returns text
language plpgsql stable
as $$
begin
  return (
    select account_stages.stage
    from account_stages
    where account_stages.site_id = site and account_stages.account_id = account
    order by array_position(stages, account_stages.stage) desc nulls last
    limit 1
  );
end
$$;

-- All accounts of a site under the model at hand: another may order the same stages otherwise.
create or replace function store.rank_accounts(site integer) returns void
language plpgsql
as $$
begin
  update accounts
  set stage = ranked.stage
  from (
    select accounts.account_id, store.account_stage(site, accounts.account_id, model_machines.stages) as stage
    from accounts
    join work_sites on work_sites.site_id = accounts.site_id
    join store.model_machines
      on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version
    where accounts.site_id = site
  ) as ranked
  where accounts.site_id = site and accounts.account_id = ranked.account_id and accounts.stage is distinct from ranked.stage;
end
$$;

-- The traits of what was told.
create or replace function store.traits_told(told jsonb) returns jsonb
language sql immutable parallel safe
return coalesce((
  select jsonb_object_agg(entries.key, entries.entry -> 'value')
  from jsonb_each(told) as entries (key, entry)
  where entries.entry -> 'value' <> 'null'
), '{}');
