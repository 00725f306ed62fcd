-- Sessions (SEMANTICS 4): a fold over a visitor's touchpoints in order.

-- One more touchpoint of the visitor: the session it belongs to. `seed` is where the visitor stood before the first one.
create or replace function store.session_step(
  session store.session_state, seed store.session_state, touchpoint_id uuid, at timestamptz, person_id uuid, campaign text,
  session_gap interval, session_limit interval, is_split_by_campaign boolean
) returns store.session_state
language plpgsql immutable
as $$
declare
  current store.session_state := session;
begin
  if current.session_id is null then
    current := seed;
  end if;
  if current.session_id is null
    or at - current.last_at >= session_gap -- a gap of exactly the limit starts a new one
    or at - current.started_at >= session_limit
    or person_id is distinct from current.person_id
    or (is_split_by_campaign and campaign is not null and campaign is distinct from current.campaign)
  then
    current.session_id := touchpoint_id;
    current.started_at := at;
    current.person_id := person_id;
    current.campaign := campaign;
  end if;
  current.last_at := at;
  return current;
end
$$;

create or replace aggregate store.session_of(
  store.session_state, uuid, timestamptz, uuid, text, interval, interval, boolean
) (sfunc = store.session_step, stype = store.session_state);

-- Fills work_session_rows for the visitors at hand: from their last session on; when replayed, from the first that may change.
create or replace function store.compute_sessions() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_session_rows
  with last_sessions as (
    select sessions.*
    from work_identities
    cross join lateral (
      select sessions.*
      from sessions
      where sessions.site_id = work_identities.site_id and sessions.identity_id = work_identities.identity_id
      order by sessions.started_at desc, sessions.started_sequence desc, sessions.session_id desc
      limit 1
    ) as sessions
    where not work_identities.is_replayed
    union all
    select retained.* from store.retained_sessions_at_hand() as retained
  ),

  placed as (
    select
      work_touchpoints.site_id, work_touchpoints.identity_id, work_touchpoints.touchpoint_id, work_touchpoints.occurred_at,
      work_touchpoints.sequence, work_touchpoints.person_id, work_touchpoints.anonymous_id,
      work_touchpoints.is_page_view, work_touchpoints.engaged_milliseconds, work_touchpoints.path,
      store.session_of(
        case when last_sessions.session_id is not null then
          row(last_sessions.session_id, last_sessions.started_at, last_sessions.ended_at, last_sessions.person_id,
            last_sessions.last_campaign)::store.session_state
        end,
        work_touchpoints.touchpoint_id, work_touchpoints.occurred_at, work_touchpoints.person_id,
        work_touchpoints.campaign_key,
        work_sites.session_gap, work_sites.session_limit, work_sites.is_session_split_by_campaign
      ) over (
        partition by work_touchpoints.site_id, work_touchpoints.identity_id
        order by work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id
      ) as session
    from work_identities
    join work_touchpoints
      on work_touchpoints.site_id = work_identities.site_id and work_touchpoints.identity_id = work_identities.identity_id
    join work_sites on work_sites.site_id = work_identities.site_id
    left join last_sessions
      on last_sessions.site_id = work_identities.site_id and last_sessions.identity_id = work_identities.identity_id
    where work_touchpoints.in_session and work_touchpoints.occurred_at >= work_sites.retained_from
      and case when work_identities.is_replayed
        then (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
          >= (work_identities.session_at, work_identities.session_sequence, work_identities.session_id)
        else work_touchpoints.is_new end
  ),

  gathered as (
    select
      placed.site_id, placed.identity_id, (placed.session).session_id as session_id,
      min(placed.anonymous_id) as visitor_id,
      (array_agg((placed.session).person_id))[1] as person_id,
      min(placed.occurred_at) as started_at,
      min(placed.sequence) filter (where placed.touchpoint_id = (placed.session).session_id) as started_sequence,
      max(placed.occurred_at) as ended_at,
      coalesce(sum(placed.engaged_milliseconds), 0) as engaged_milliseconds,
      count(*) filter (where placed.is_page_view) as page_view_count,
      count(*) as touchpoint_count,
      array_agg(placed.path order by placed.occurred_at, placed.sequence, placed.touchpoint_id) filter (where placed.path is not null) as paths,
      min((placed.session).campaign) as last_campaign
    from placed
    group by placed.site_id, placed.identity_id, (placed.session).session_id
  ),

  -- Sites without channel rules of their own share what is looked at.
  rule_sites as materialized (
    select work_sites.site_id, store.rules_site_of(work_sites.site_id) as rules_site from work_sites
  ),

  -- A new session has the source of its first touchpoint, whose id it bears.
  beginnings as materialized (
    select
      gathered.site_id, gathered.session_id, rule_sites.rules_site, first_touchpoints.source,
      store.way_of(store.campaign_of(first_touchpoints.context)) as campaign,
      store.referrer_of(first_touchpoints.context, work_sites.no_referrers) as referrer,
      left(lower(store.text_of(first_touchpoints.context -> 'device' -> 'type')), 50) as device
    from gathered
    join work_sites on work_sites.site_id = gathered.site_id
    join rule_sites on rule_sites.site_id = gathered.site_id
    left join last_sessions
      on last_sessions.site_id = gathered.site_id and last_sessions.session_id = gathered.session_id
    cross join lateral (
      select touchpoints.context, touchpoints.source
      from store.touchpoints
      where touchpoints.site_id = gathered.site_id and touchpoints.touchpoint_id = gathered.session_id
      offset 0
    ) as first_touchpoints
    where last_sessions.session_id is null
  ),

  -- Few ways lead to many sessions: each is looked at once.
  ways as materialized (
    select distinct_ways.*, traffic.*
    from (
      select distinct
        beginnings.rules_site, beginnings.source as touchpoint_source, beginnings.campaign as touchpoint_campaign, beginnings.referrer
      from beginnings
    ) as distinct_ways
    cross join lateral store.traffic_by(
      distinct_ways.rules_site, distinct_ways.touchpoint_campaign, distinct_ways.referrer, distinct_ways.touchpoint_source
    ) as traffic
  )

  select
    gathered.site_id, gathered.session_id, gathered.identity_id, gathered.visitor_id, gathered.person_id,
    coalesce(last_sessions.started_at, gathered.started_at),
    coalesce(last_sessions.started_sequence, gathered.started_sequence),
    gathered.ended_at,
    coalesce(last_sessions.engaged_milliseconds, 0) + gathered.engaged_milliseconds,
    coalesce(last_sessions.page_view_count, 0) + gathered.page_view_count,
    coalesce(last_sessions.touchpoint_count, 0) + gathered.touchpoint_count,
    coalesce(last_sessions.entry_page, gathered.paths[1]),
    coalesce(gathered.paths[cardinality(gathered.paths)], last_sessions.exit_page),
    coalesce(last_sessions.channel, ways.channel),
    coalesce(last_sessions.source, ways.source),
    coalesce(last_sessions.medium, ways.medium),
    coalesce(last_sessions.campaign, ways.campaign),
    coalesce(last_sessions.term, ways.term),
    coalesce(last_sessions.content, ways.content),
    coalesce(last_sessions.device, beginnings.device),
    gathered.last_campaign
  from gathered
  left join last_sessions
    on last_sessions.site_id = gathered.site_id and last_sessions.session_id = gathered.session_id
  left join beginnings
    on beginnings.site_id = gathered.site_id and beginnings.session_id = gathered.session_id
  left join ways
    on ways.rules_site = beginnings.rules_site
    and ways.touchpoint_source = beginnings.source
    and coalesce(ways.touchpoint_campaign, 'null'::jsonb) = coalesce(beginnings.campaign, 'null'::jsonb)
    and coalesce(ways.referrer, '') = coalesce(beginnings.referrer, '');
end
$$;

create or replace function store.derive_sessions() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  perform store.compute_sessions();

  delete from sessions
  where sessions.ctid = any (array(
    select known.place
    from work_identities
    cross join lateral (
      select sessions.ctid as place, sessions.session_id
      from sessions
      where sessions.site_id = work_identities.site_id and sessions.identity_id = work_identities.identity_id
        and (sessions.started_at, sessions.started_sequence, sessions.session_id)
          >= (work_identities.session_at, work_identities.session_sequence, work_identities.session_id)
      offset 0
    ) as known
    where work_identities.is_replayed
      and not exists (
        select from work_session_rows
        where work_session_rows.site_id = work_identities.site_id and work_session_rows.session_id = known.session_id
      )
  ));

  -- A new session is a new day, or more of one, in its person's metrics. A row that was there before has an xmax: it was
  -- locked to be updated.
  with stored as (
    insert into sessions
    select work_session_rows.* from work_session_rows
    on conflict (site_id, session_id) do update set
      identity_id = excluded.identity_id, visitor_id = excluded.visitor_id, person_id = excluded.person_id,
      started_at = excluded.started_at, started_sequence = excluded.started_sequence, ended_at = excluded.ended_at,
      engaged_milliseconds = excluded.engaged_milliseconds, page_view_count = excluded.page_view_count,
      touchpoint_count = excluded.touchpoint_count, entry_page = excluded.entry_page, exit_page = excluded.exit_page,
      channel = excluded.channel, source = excluded.source, medium = excluded.medium, campaign = excluded.campaign,
      term = excluded.term, content = excluded.content, device = excluded.device, last_campaign = excluded.last_campaign
    where sessions is distinct from excluded
    returning sessions.site_id, sessions.person_id, sessions.started_at, sessions.xmax = 0 as is_new
  )

  insert into work_days
  select distinct stored.site_id, stored.person_id, (stored.started_at at time zone work_sites.time_zone)::date
  from stored
  join work_sites on work_sites.site_id = stored.site_id
  where stored.is_new
  on conflict do nothing;
end
$$;
