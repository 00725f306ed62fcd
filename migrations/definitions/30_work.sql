-- The tables named without schema are found when a function runs, not when it is made.
set local check_function_bodies = off;

-- The workbench of one derive transaction: temporary tables. The wide ones without an index are emptied at commit, the others
-- cleared at its start: emptying a table that has an index would throw away every cached plan that names it. Derived tables
-- are named without their schema throughout, so that `milepost verify` runs these definitions over temporary twins of them.

create or replace function store.create_work_tables() returns void
language plpgsql
as $$
begin
  -- The ends of pieces of long stretches, where checkpoints are made.
  create temporary table if not exists work_pieces (
    site_id integer not null,
    person_id uuid not null,
    piece integer not null,
    at timestamptz not null,
    sequence bigint not null,
    touchpoint_id uuid not null
  ) on commit preserve rows;

  create temporary table if not exists work_sites (
    site_id integer primary key,
    inner_key bytea not null,
    outer_key bytea not null,
    time_zone text not null,
    currency text not null,
    no_referrers text[] not null,
    session_gap interval not null,
    session_limit interval not null,
    is_session_split_by_campaign boolean not null,
    cart_delay interval not null,
    checkout_delay interval not null,
    cart_expiry interval not null,
    self_recovery_window interval not null,
    is_refund_by_write_key_accepted boolean not null,
    model_name text not null,
    model_version integer not null,
    goals jsonb not null,
    as_of timestamptz not null,
    retained_from timestamptz not null, -- what happened before it was dropped
    recovery_window interval not null
  ) on commit preserve rows;

  -- The touchpoints at hand: new ones, and the older ones of whoever is replayed. Definitions join the whole workbench by
  -- hash; an index would be read through all its dead entries.
  create temporary table if not exists work_touchpoints on commit delete rows as
  select derivable_touchpoints.*, false as is_new, null::uuid as person_id from store.derivable_touchpoints limit 0;

  create temporary table if not exists work_identities (
    site_id integer not null,
    identity_id uuid not null,
    is_replayed boolean not null,
    is_loaded boolean not null default false,
    is_steady boolean not null default false, -- its new touchpoints change no spell, but lengthen one
    late_at timestamptz, -- the earliest of the new touchpoints that come before what was seen of it
    -- of whom is replayed: from when on its touchpoints are needed, and the first session that may change
    load_from timestamptz not null default '-infinity',
    session_at timestamptz not null default '-infinity',
    session_sequence bigint not null default 0,
    session_id uuid not null default '00000000-0000-0000-0000-000000000000',
    primary key (site_id, identity_id)
  ) on commit preserve rows;

  -- The last spells, as they stand, of the identities that new touchpoints are led by.
  create temporary table if not exists work_last_spells (
    site_id integer not null,
    identity_id uuid not null,
    place tid not null,
    spell smallint not null,
    from_at timestamptz not null,
    from_sequence bigint not null,
    from_touchpoint_id uuid not null,
    last_seen_at timestamptz not null,
    last_sequence bigint not null,
    last_touchpoint_id uuid not null,
    person_id uuid not null,
    is_refused boolean not null,
    type text not null,
    user_id text,
    base_user_id text
  ) on commit delete rows;

  create temporary table if not exists work_latest_seen (
    place tid, -- of the spell, where it is at hand
    site_id integer not null,
    identity_id uuid not null,
    last_seen_at timestamptz not null,
    last_sequence bigint not null,
    last_touchpoint_id uuid not null
  ) on commit delete rows;

  create temporary table if not exists work_spells (
    site_id integer not null,
    identity_id uuid not null,
    spell smallint not null,
    type text not null,
    value text not null,
    user_id text,
    person_id uuid not null,
    former_person_id uuid,
    from_at timestamptz not null,
    from_sequence bigint not null,
    from_touchpoint_id uuid not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    last_sequence bigint not null,
    last_touchpoint_id uuid not null,
    is_refused boolean not null,
    base_user_id text,
    primary key (site_id, identity_id, spell)
  ) on commit preserve rows;

  perform store.create_link_tables();

  -- The persons at hand, each once.
  create temporary table if not exists work_persons (
    site_id integer not null,
    person_id uuid not null,
    is_replayed boolean not null,
    is_loaded boolean not null default false,
    is_long boolean not null default false, -- a checkpoint is due
    is_crowded boolean not null default false, -- has more touchpoints than a human in a day
    is_mute boolean not null default false, -- gives no signal
    -- Of whom is replayed: the earliest instant at which something may have changed, and the checkpoint before it, after
    -- which everything is done again; without one, from the beginning.
    has_base boolean not null default false,
    is_base_retained boolean not null default false, -- it is what retention kept, with nothing left before it
    base_transition_count integer not null default 0,
    from_at timestamptz not null default '-infinity',
    base_valid_from timestamptz not null default '-infinity',
    base_at timestamptz not null default '-infinity',
    base_sequence bigint not null default 0,
    base_touchpoint_id uuid not null default '00000000-0000-0000-0000-000000000000',
    -- how far it is done: to the end, but where checkpoints on the way are made
    until_at timestamptz not null default 'infinity',
    until_sequence bigint not null default 0,
    until_touchpoint_id uuid not null default '00000000-0000-0000-0000-000000000000',
    -- What stands in `persons` until this transaction writes it, and where; without a place nothing does.
    is_looked_up boolean not null default false,
    place tid,
    state smallint,
    furthest smallint,
    since timestamptz,
    journey_number integer,
    transition_count integer,
    last_signal_at timestamptz,
    last_timer_at timestamptz,
    held_until timestamptz,
    overridden_at timestamptz,
    entered_stages integer,
    first_seen_at timestamptz,
    last_seen_at timestamptz,
    last_sequence bigint,
    last_touchpoint_id uuid,
    product_seen_at timestamptz,
    next_due_at timestamptz,
    unkept_count integer,
    touchpoint_count integer,
    runaway_at timestamptz,
    stage text,
    first_channel text,
    user_id text,
    traits jsonb
  ) on commit delete rows;

  -- What will stand there.
  create temporary table if not exists work_person_rows (
    place tid,
    site_id integer not null,
    person_id uuid not null,
    state smallint,
    furthest smallint,
    since timestamptz,
    journey_number integer,
    transition_count integer not null,
    last_signal_at timestamptz,
    last_timer_at timestamptz,
    held_until timestamptz,
    overridden_at timestamptz,
    entered_stages integer not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    last_sequence bigint not null,
    last_touchpoint_id uuid not null,
    product_seen_at timestamptz,
    next_due_at timestamptz,
    unkept_count integer not null,
    touchpoint_count integer not null,
    runaway_at timestamptz,
    stage text,
    first_channel text,
    user_id text,
    traits jsonb
  ) on commit delete rows;

  -- Orders whose facts or session may have changed, with what metrics knew of them before.
  create temporary table if not exists work_orders (
    site_id integer not null,
    order_id text not null,
    is_known boolean not null, -- stood in orders before this transaction
    person_id uuid,
    session_id uuid,
    day date,
    cart_id text,
    touchpoint_id uuid,
    first_touchpoint_id uuid,
    occurred_at timestamptz,
    refunded numeric,
    primary key (site_id, order_id)
  ) on commit preserve rows;

  -- Orders and carts that another exchange rate applies to than they were converted by.
  create temporary table if not exists work_conversions (
    site_id integer not null,
    order_id text,
    cart_key uuid
  ) on commit preserve rows;

  create temporary table if not exists work_session_rows (
    place tid, -- where the session stands that merely goes on
    like store.sessions including defaults
  ) on commit delete rows;

  create temporary table if not exists work_carts (
    site_id integer not null,
    person_id uuid not null,
    cart store.cart_state not null
  ) on commit preserve rows;
  create index if not exists work_carts_person on work_carts (site_id, person_id);

  -- Where the persons at hand stand now, and how they came there in this transaction.
  create temporary table if not exists work_stages (
    site_id integer not null,
    person_id uuid not null,
    state smallint not null,
    furthest smallint not null,
    since timestamptz,
    journey_number integer not null,
    last_signal_at timestamptz,
    transition_count integer not null,
    last_timer_at timestamptz,
    held_until timestamptz,
    overridden_at timestamptz,
    due_at timestamptz, -- of the timer of this state
    move_count integer not null,
    moves store.stage_move[] not null
  ) on commit delete rows;

  -- Who moved: where they stood before (weight -1) and stand now (weight 1), which transitions went and came, and what
  -- that makes of the stays.
  create temporary table if not exists work_standings (
    weight integer not null,
    site_id integer not null,
    person_id uuid not null,
    channel text,
    stage text not null,
    furthest smallint not null,
    entered_stages integer not null
  ) on commit preserve rows;

  create temporary table if not exists work_moves (
    weight integer not null,
    site_id integer not null,
    channel text,
    moved_at timestamptz not null,
    from_stage text,
    to_stage text not null,
    seconds double precision
  ) on commit preserve rows;

  create temporary table if not exists work_stays (like store.stage_days including defaults) on commit preserve rows;

  -- What the change feed compares: persons and carts as they stood, and what became of them. A column of a table's row
  -- type would forbid every later migration to give that table another column, for as long as a deriver is connected.
  create temporary table if not exists work_persons_before (
    site_id integer not null,
    person_id uuid not null,
    user_id text,
    traits jsonb,
    last_seen_at timestamptz not null,
    transitions jsonb -- only of whoever is replayed
  ) on commit delete rows;

  -- Null throughout for a cart that was not there.
  create temporary table if not exists work_carts_before (
    site_id integer not null,
    cart_key uuid not null,
    person_id uuid not null,
    state text,
    last_activity_at timestamptz,
    abandoned_at timestamptz,
    abandonment_count integer,
    told jsonb
  ) on commit preserve rows;

  create temporary table if not exists work_changes (
    site_id integer not null,
    person_id uuid,
    type text not null,
    subject_id text not null,
    occurred_at timestamptz not null,
    before jsonb,
    after jsonb
  ) on commit preserve rows;

  -- The batches at hand that were imported.
  create temporary table if not exists work_imports (
    site_id integer not null,
    batch_id bigint not null
  ) on commit preserve rows;

  -- Goals beside `purchase` of the sites at hand, and what reaches them, with where that stood before.
  create temporary table if not exists work_goals (
    site_id integer not null,
    goal text not null,
    event_name text not null,
    condition jsonb,
    value_property text,
    amount numeric,
    currency text,
    is_once boolean not null, -- once per session
    is_primary boolean not null
  ) on commit preserve rows;

  create temporary table if not exists work_reached (
    like store.conversions including defaults,
    is_once boolean not null,
    old_person_id uuid,
    old_day date,
    old_session_id uuid,
    primary key (site_id, conversion_id)
  ) on commit preserve rows;

  -- Parts of days, before (weight -1) and now (weight 1).
  create temporary table if not exists work_day_parts (
    weight integer not null,
    like store.person_days including defaults,
    primary key (weight, site_id, person_id, day, channel, source, campaign, device)
  ) on commit preserve rows;

  create temporary table if not exists work_memberships (
    site_id integer not null,
    person_id uuid not null,
    account_id text not null,
    role text,
    joined_at timestamptz not null,
    from_at timestamptz not null,
    from_sequence bigint not null,
    from_touchpoint_id uuid not null,
    to_at timestamptz,
    to_sequence bigint,
    to_touchpoint_id uuid,
    is_left boolean not null
  ) on commit preserve rows;

  -- What accounts count of the persons at hand, before (weight -1) and now (weight 1).
  create temporary table if not exists work_members (
    weight integer not null,
    site_id integer not null,
    account_id text not null,
    stage text,
    order_count integer not null,
    net_revenue numeric not null
  ) on commit preserve rows;

  create temporary table if not exists work_days (
    site_id integer not null,
    person_id uuid not null,
    day date not null,
    primary key (site_id, person_id, day)
  ) on commit preserve rows;
end
$$;

create or replace function store.clear_work_tables() returns void
language plpgsql
set enable_seqscan = on
as $$
begin
  delete from work_sites;
  delete from work_touchpoints;
  delete from work_identities;
  delete from work_last_spells;
  delete from work_latest_seen;
  delete from work_spells;
  perform store.clear_link_tables();
  delete from work_persons;
  delete from work_person_rows;
  delete from work_orders;
  delete from work_conversions;
  delete from work_session_rows;
  delete from work_carts;
  delete from work_stages;
  delete from work_standings;
  delete from work_moves;
  delete from work_stays;
  delete from work_goals;
  delete from work_reached;
  delete from work_days;
  delete from work_day_parts;
  delete from work_persons_before;
  delete from work_carts_before;
  delete from work_changes;
  delete from work_imports;
  delete from work_memberships;
  delete from work_members;
  delete from work_pieces;
end
$$;

-- Empties the workbench, dead rows and all. What nothing was written to is left alone: each costs a new file and every plan
-- that names it.
create or replace function store.truncate_work_tables() returns void
language plpgsql
as $$
declare
  written record;
begin
  for written in
    select pg_class.oid::regclass as place
    from pg_class
    where pg_class.relnamespace = pg_my_temp_schema() and pg_class.relname ^@ 'work_' and pg_class.relkind = 'r'
      and pg_relation_size(pg_class.oid) > 0
  loop
    execute format('truncate %s', written.place);
  end loop;
end
$$;

drop function if exists store.truncate_link_tables();

-- Reads the settings of the sites at work. HMAC's two keys are made once per site and transaction, not per person.
create or replace function store.load_work_sites(sites integer[]) returns void
language plpgsql
as $$
begin
  insert into work_sites
  select
    sites.site_id, store.xor_key(sites.person_secret, 54), store.xor_key(sites.person_secret, 92), sites.time_zone,
    sites.currency, sites.own_hosts || sites.excluded_referrers, sites.session_gap, sites.session_limit, sites.is_session_split_by_campaign,
    sites.cart_delay, sites.checkout_delay, sites.cart_expiry, sites.self_recovery_window,
    sites.is_refund_by_write_key_accepted, sites.model_name, sites.model_version, sites.goals,
    coalesce(clocks.as_of, '-infinity'), sites.retained_from, sites.recovery_window
  from sites
  left join clocks on clocks.site_id = sites.site_id
  where sites.site_id = any (load_work_sites.sites)
  on conflict do nothing;
end
$$;

-- What derivation reads of a touchpoint, and no more: the workbench is copied from here. Bots and internal traffic are
-- part of nothing derived.
drop view if exists store.derivable_touchpoints;
create view store.derivable_touchpoints as
select
  touchpoints.site_id,
  touchpoints.touchpoint_id,
  touchpoints.identity_id,
  touchpoints.occurred_at,
  touchpoints.sequence,
  -- identify, group and alias carry identity and traits only
  touchpoints.type not in ('identify', 'group', 'alias') as is_activity,
  touchpoints.source in ('web', 'app') and touchpoints.anonymous_id is not null
    and touchpoints.type not in ('identify', 'group', 'alias') as in_session,
  touchpoints.name,
  touchpoints.type in ('page', 'screen') or touchpoints.name in ('page_view', 'screen_view') as is_page_view,
  touchpoints.source,
  touchpoints.is_trusted,
  touchpoints.anonymous_id,
  touchpoints.user_id,
  case when touchpoints.is_trusted or (touchpoints.anonymous_id is null and touchpoints.user_id is null)
    then touchpoints.identities end as identities,
  case when store.reads_properties(touchpoints.name) then touchpoints.properties end as properties,
  -- in a group call they are the account's
  case when touchpoints.type <> 'group' then touchpoints.traits end as traits,
  case when touchpoints.context is not null then store.campaign_said(touchpoints.context) end as campaign,
  store.path_of(touchpoints.context) as path,
  case when touchpoints.name = 'user_engagement'
    then store.amount_of(touchpoints.properties -> 'engagement_time_msec')::bigint end as engaged_milliseconds,
  touchpoints.batch_id,
  touchpoints.account_id,
  case when touchpoints.account_id is not null then store.membership_told(
    touchpoints.type, touchpoints.name, touchpoints.properties, touchpoints.traits) end as membership,
  case when touchpoints.account_id is not null and (touchpoints.type = 'group' or touchpoints.name = 'account_added_user')
    then coalesce(touchpoints.properties -> 'role', touchpoints.traits -> 'role') end as role,
  case when touchpoints.account_id is not null and touchpoints.type = 'group' then touchpoints.traits end as account_traits
from store.touchpoints
where touchpoints.bot_reason is null and touchpoints.internal_reason is null;

drop function if exists store.campaign_key(jsonb); -- the view was the last to use it

-- Puts new touchpoints on the workbench by id, and the last spells of their identities as they stand.
create or replace function store.load_new_touchpoints(site integer, touchpoints uuid[]) returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  with loaded as materialized (
    select derivable_touchpoints.*
    from store.derivable_touchpoints
    where derivable_touchpoints.site_id = load_new_touchpoints.site
      and derivable_touchpoints.touchpoint_id = any (load_new_touchpoints.touchpoints)
  ),

  last_spells as (
    insert into work_last_spells (
      site_id, identity_id, place, spell, type, user_id, person_id, from_at, from_sequence, from_touchpoint_id, last_seen_at,
      last_sequence, last_touchpoint_id, is_refused, base_user_id
    )
    select at_hand.site_id, at_hand.identity_id, known.place, known.spell, known.type, known.user_id, known.person_id,
      known.from_at, known.from_sequence, known.from_touchpoint_id, known.last_seen_at, known.last_sequence,
      known.last_touchpoint_id, known.is_refused, known.base_user_id
    from (select distinct loaded.site_id, loaded.identity_id from loaded) as at_hand
    cross join lateral (
      select identities.ctid as place, identities.*
      from identities
      where identities.site_id = at_hand.site_id and identities.identity_id = at_hand.identity_id
      order by identities.spell desc
      limit 1
    ) as known
    returning work_last_spells.*
  )

  insert into work_touchpoints
  select loaded.*, true,
    case
      when (last_spells.from_at, last_spells.from_sequence, last_spells.from_touchpoint_id)
        <= (loaded.occurred_at, loaded.sequence, loaded.touchpoint_id) then last_spells.person_id
      when last_spells.identity_id is not null then (
        select identities.person_id
        from identities
        where identities.site_id = loaded.site_id and identities.identity_id = loaded.identity_id
          and (identities.from_at, identities.from_sequence, identities.from_touchpoint_id)
            <= (loaded.occurred_at, loaded.sequence, loaded.touchpoint_id)
        order by identities.spell desc
        limit 1
      )
    end
  from loaded
  left join last_spells on last_spells.site_id = loaded.site_id and last_spells.identity_id = loaded.identity_id;
end
$$;

-- Says anew whose the touchpoints are of identities whose spells have changed since they were put on the workbench.
create or replace function store.resolve_work_touchpoints() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  update work_touchpoints
  set person_id = (
    select identities.person_id
    from identities
    where identities.site_id = work_touchpoints.site_id
      and identities.identity_id = work_touchpoints.identity_id
      and (identities.from_at, identities.from_sequence, identities.from_touchpoint_id)
        <= (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
    order by identities.spell desc
    limit 1
  )
  from work_identities
  where not work_identities.is_steady
    and work_touchpoints.site_id = work_identities.site_id
    and work_touchpoints.identity_id = work_identities.identity_id;
end
$$;

-- Finds where to begin with whoever is replayed: at the last checkpoint before anything that may have changed.
create or replace function store.choose_bases() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  if exists (select from work_sites where work_sites.retained_from > '-infinity') then
    perform store.bring_retained_bases();
  end if;

  update work_persons
  set has_base = found.is_found, is_base_retained = found.is_retained, base_valid_from = found.valid_from, base_at = found.last_seen_at,
    base_sequence = found.last_sequence, base_touchpoint_id = found.last_touchpoint_id,
    base_transition_count = found.transition_count
  from (
    select marked.site_id, marked.person_id, bases.last_seen_at is not null as is_found,
      coalesce(bases.is_retained, false) as is_retained,
      coalesce(bases.valid_from, '-infinity') as valid_from, coalesce(bases.last_seen_at, '-infinity') as last_seen_at,
      coalesce(bases.last_sequence, 0) as last_sequence,
      coalesce(bases.last_touchpoint_id, '00000000-0000-0000-0000-000000000000') as last_touchpoint_id,
      coalesce(bases.transition_count, 0) as transition_count
    from work_persons as marked
    left join lateral (
      select checkpoints.valid_from, checkpoints.last_seen_at, checkpoints.last_sequence, checkpoints.last_touchpoint_id,
        checkpoints.transition_count, checkpoints.is_retained
      from checkpoints
      where checkpoints.site_id = marked.site_id and checkpoints.person_id = marked.person_id
        and ((checkpoints.last_seen_at < marked.from_at and checkpoints.valid_from < marked.from_at) or checkpoints.is_retained)
      order by checkpoints.last_seen_at desc, checkpoints.last_sequence desc, checkpoints.last_touchpoint_id desc
      limit 1
    ) as bases on true
    where marked.is_replayed and not marked.is_loaded
  ) as found
  where work_persons.site_id = found.site_id and work_persons.person_id = found.person_id;
end
$$;

-- Brings in what is needed of the past of every identity and person marked for replay, until nothing more is marked.
-- Touchpoints of batches still waiting are left out: they come with their own batch.
create or replace function store.load_replays() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  loop
    if exists (select from work_persons where is_replayed and not is_loaded) then
      perform store.choose_bases();
      perform store.mark_identities_of_replayed();
    end if;

    exit when not exists (select from work_identities where is_replayed and not is_loaded);

    -- Looked up first, then compared with what is there, once for all: not once for each identity.
    insert into work_touchpoints
    with past as materialized (
      select touchpoints.*
      from work_identities
      cross join lateral (
        select derivable_touchpoints.*
        from store.derivable_touchpoints
        where derivable_touchpoints.site_id = work_identities.site_id
          and derivable_touchpoints.identity_id = work_identities.identity_id
          and derivable_touchpoints.occurred_at >= work_identities.load_from
        offset 0
      ) as touchpoints
      where work_identities.is_replayed and not work_identities.is_loaded
        and (touchpoints.site_id, touchpoints.batch_id) not in (select batches.site_id, batches.batch_id from store.batches)
    )

    select past.*, false, (
      select identities.person_id
      from identities
      where identities.site_id = past.site_id and identities.identity_id = past.identity_id
        and (identities.from_at, identities.from_sequence, identities.from_touchpoint_id)
          <= (past.occurred_at, past.sequence, past.touchpoint_id)
      order by identities.spell desc
      limit 1
    )
    from past
    where not exists (
      select from work_touchpoints as present
      where present.site_id = past.site_id and present.touchpoint_id = past.touchpoint_id
    );
    update work_identities set is_loaded = true where is_replayed and not is_loaded;
  end loop;
end
$$;

-- Marks the identities of whoever is replayed. Their sessions are cut anew from the last one begun before anything that may
-- have changed: it began after touchpoints that have not.
create or replace function store.mark_identities_of_replayed() returns void
language plpgsql
as $$
begin
  insert into work_identities (site_id, identity_id, is_replayed, load_from, session_at, session_sequence, session_id)
  select distinct on (owned.site_id, owned.identity_id)
    owned.site_id, owned.identity_id, true,
    min(owned.load_from) over (partition by owned.site_id, owned.identity_id),
    owned.session_at, owned.session_sequence, owned.session_id
  from (
    select work_persons.site_id, identities.identity_id,
      -- of what retention kept everything is looked at, which is little
      case when work_persons.has_base and not work_persons.is_base_retained then least(work_persons.base_at, coalesce(sessions.started_at, work_persons.from_at))
        else '-infinity' end as load_from,
      coalesce(sessions.started_at, '-infinity') as session_at,
      coalesce(sessions.started_sequence, 0) as session_sequence,
      coalesce(sessions.session_id, '00000000-0000-0000-0000-000000000000') as session_id
    from work_persons
    cross join lateral (
      select distinct identities.identity_id
      from identities
      where identities.site_id = work_persons.site_id and identities.person_id = work_persons.person_id
      offset 0
    ) as identities
    left join lateral (
      select sessions.started_at, sessions.started_sequence, sessions.session_id
      from sessions
      where work_persons.has_base
        and sessions.site_id = work_persons.site_id and sessions.identity_id = identities.identity_id
        and sessions.started_at < work_persons.from_at
      order by sessions.started_at desc, sessions.started_sequence desc, sessions.session_id desc
      limit 1
    ) as sessions on true
    where work_persons.is_replayed and not work_persons.is_loaded
  ) as owned
  order by owned.site_id, owned.identity_id, owned.session_at, owned.session_sequence, owned.session_id
  on conflict (site_id, identity_id) do update set
    is_replayed = true, is_loaded = false,
    load_from = case when work_identities.is_replayed then least(work_identities.load_from, excluded.load_from)
      else excluded.load_from end,
    (session_at, session_sequence, session_id) = (
      select earlier.at, earlier.sequence, earlier.id
      from (
        values (excluded.session_at, excluded.session_sequence, excluded.session_id),
          (case when work_identities.is_replayed then work_identities.session_at else 'infinity' end,
            work_identities.session_sequence, work_identities.session_id)
      ) as earlier (at, sequence, id)
      order by earlier.at, earlier.sequence, earlier.id
      limit 1
    )
  where not work_identities.is_replayed
    or excluded.load_from < work_identities.load_from
    or (excluded.session_at, excluded.session_sequence, excluded.session_id)
      < (work_identities.session_at, work_identities.session_sequence, work_identities.session_id);
  update work_persons set is_loaded = true where is_replayed and not is_loaded;
end
$$;

drop function if exists store.mark_replayed(integer[], uuid[]);

-- Marks persons for replay from an instant on, each of its own; without any, from the beginning.
create or replace function store.mark_replayed(sites integer[], persons uuid[], instants timestamptz[] default null) returns void
language plpgsql
as $$
begin
  perform store.mark_at_hand(sites, persons, case
    when instants is null then array_fill('-infinity'::timestamptz, array[cardinality(persons)])
    else array(
      select coalesce(listed.instant, '-infinity') from unnest(instants) with ordinality as listed (instant, position)
      order by listed.position
    )
  end);
end
$$;

-- Marks persons at hand: for replay from an instant on, or where that is null, to go on.
create or replace function store.mark_at_hand(sites integer[], persons uuid[], instants timestamptz[]) returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  with marked as materialized (
    select listed.site_id, listed.person_id, min(listed.from_at) as from_at
    from unnest(mark_at_hand.sites, mark_at_hand.persons, mark_at_hand.instants) as listed (site_id, person_id, from_at)
    where listed.person_id is not null
    group by listed.site_id, listed.person_id
  ),

  marked_before as (
    update work_persons
    set is_replayed = true, from_at = marked.from_at, is_loaded = work_persons.is_loaded and not work_persons.has_base
    from marked
    where work_persons.site_id = marked.site_id and work_persons.person_id = marked.person_id
      and marked.from_at is not null and (not work_persons.is_replayed or marked.from_at < work_persons.from_at)
  )

  insert into work_persons (site_id, person_id, is_replayed, from_at)
  select marked.site_id, marked.person_id, marked.from_at is not null, coalesce(marked.from_at, '-infinity')
  from marked
  where not exists (
    select from work_persons
    where work_persons.site_id = marked.site_id and work_persons.person_id = marked.person_id
  );
end
$$;
