-- Sessions (SEMANTICS 4): a fold over a visitor's touchpoints in order.

-- The fold: the sessions that a visitor's touchpoints make, where `last` (null: none) was the last one before them. It comes
-- first of the result where they go on with it.
create or replace function store.sessions_after(
  last store.session_run, touches store.session_touch[], session_gap interval, session_limit interval, is_split_by_campaign boolean
) returns store.session_run[]
language plpgsql immutable
as $$
declare
  sessions store.session_run[] := '{}';
  current store.session_run := last;
  is_touched boolean := false;
  touch store.session_touch;
  campaign text;
begin
  foreach touch in array touches loop
    campaign := store.campaign_tuple(touch.campaign);
    if current.session_id is null
      or touch.at - current.ended_at >= session_gap -- a gap of exactly the limit starts a new one
      or touch.at - current.started_at >= session_limit
      or touch.person_id is distinct from current.person_id
      or (is_split_by_campaign and campaign is not null and campaign is distinct from current.last_campaign)
    then
      if is_touched then
        sessions := sessions || current;
      end if;
      current := row(touch.touchpoint_id, touch.person_id, touch.at, touch.sequence, touch.at, 0, 0, 0, null, null, campaign,
        touch.campaign)::store.session_run;
    end if;
    is_touched := true;
    current.ended_at := touch.at;
    current.touchpoint_count := current.touchpoint_count + 1;
    if touch.is_page_view then
      current.page_view_count := current.page_view_count + 1;
    end if;
    if touch.engaged_milliseconds is not null then
      current.engaged_milliseconds := current.engaged_milliseconds + touch.engaged_milliseconds;
    end if;
    if touch.path is not null then
      current.exit_page := touch.path;
      if current.entry_page is null then
        current.entry_page := touch.path;
      end if;
    end if;
  end loop;
  return sessions || current;
end
$$;

drop aggregate if exists store.session_of(store.session_state, uuid, timestamptz, uuid, text, interval, interval, boolean);
drop function if exists store.session_step(
  store.session_state, store.session_state, uuid, timestamptz, uuid, text, interval, interval, boolean);

-- Fills work_session_rows for the visitors at hand: from their last session on; when replayed, from the first that may change.
create or replace function store.compute_sessions() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_session_rows (
    place, site_id, session_id, identity_id, visitor_id, person_id, started_at, started_sequence, ended_at,
    engaged_milliseconds, page_view_count, touchpoint_count, entry_page, exit_page, channel, source, medium, campaign, term,
    content, device, last_campaign
  )
  with last_sessions as materialized (
    select sessions.*
    from work_identities
    cross join lateral (
      select sessions.ctid as place, sessions.*
      from sessions
      where sessions.site_id = work_identities.site_id and sessions.identity_id = work_identities.identity_id
      order by sessions.started_at desc, sessions.started_sequence desc, sessions.session_id desc
      limit 1
    ) as sessions
    where not work_identities.is_replayed
    union all
    select null::tid, retained.* from store.retained_sessions_at_hand() as retained
  ),

  touched as (
    select
      work_touchpoints.site_id, work_touchpoints.identity_id, min(work_touchpoints.anonymous_id) as visitor_id,
      array_agg(
        row(work_touchpoints.touchpoint_id, work_touchpoints.person_id, work_touchpoints.occurred_at,
          work_touchpoints.sequence, work_touchpoints.is_page_view, work_touchpoints.engaged_milliseconds,
          work_touchpoints.path, work_touchpoints.campaign)::store.session_touch
        order by work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id
      ) as touches
    from work_identities
    join work_touchpoints
      on work_touchpoints.site_id = work_identities.site_id and work_touchpoints.identity_id = work_identities.identity_id
    join work_sites on work_sites.site_id = work_identities.site_id
    where work_touchpoints.in_session and work_touchpoints.occurred_at >= work_sites.retained_from
      and case when work_identities.is_replayed
        then (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
          >= (work_identities.session_at, work_identities.session_sequence, work_identities.session_id)
        else work_touchpoints.is_new end
    group by work_touchpoints.site_id, work_touchpoints.identity_id
  ),

  gathered as materialized (
    select touched.site_id, touched.identity_id, touched.visitor_id,
      unnest(store.sessions_after(
        case when last_sessions.session_id is not null then
          row(last_sessions.session_id, last_sessions.person_id, last_sessions.started_at, last_sessions.started_sequence,
            last_sessions.ended_at, last_sessions.engaged_milliseconds, last_sessions.page_view_count,
            last_sessions.touchpoint_count, last_sessions.entry_page, last_sessions.exit_page, last_sessions.last_campaign,
            null)::store.session_run
        end,
        touched.touches, work_sites.session_gap, work_sites.session_limit, work_sites.is_session_split_by_campaign
      )) as session
    from touched
    join work_sites on work_sites.site_id = touched.site_id
    left join last_sessions
      on last_sessions.site_id = touched.site_id and last_sessions.identity_id = touched.identity_id
  ),

  -- Sites without channel rules of their own share what is looked at.
  rule_sites as materialized (
    select work_sites.site_id, store.rules_site_of(work_sites.site_id) as rules_site from work_sites
  ),

  -- A new session has the source of its first touchpoint, whose id it bears.
  beginnings as materialized (
    select
      new_sessions.site_id, new_sessions.session_id, rule_sites.rules_site, first_touchpoints.source,
      store.way_of(new_sessions.campaign) as campaign,
      store.referrer_of(first_touchpoints.context, work_sites.no_referrers) as referrer,
      left(lower(store.text_of(first_touchpoints.context -> 'device' -> 'type')), 50) as device
    from (
      select gathered.site_id, (gathered.session).session_id, (gathered.session).campaign
      from gathered
      left join last_sessions
        on last_sessions.site_id = gathered.site_id and last_sessions.session_id = (gathered.session).session_id
      where last_sessions.session_id is null
    ) as new_sessions
    join work_sites on work_sites.site_id = new_sessions.site_id
    join rule_sites on rule_sites.site_id = new_sessions.site_id
    cross join lateral (
      select touchpoints.context, touchpoints.source
      from store.touchpoints
      where touchpoints.site_id = new_sessions.site_id and touchpoints.touchpoint_id = new_sessions.session_id
      offset 0
    ) as first_touchpoints
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
    last_sessions.place, gathered.site_id, (gathered.session).session_id, gathered.identity_id, gathered.visitor_id,
    (gathered.session).person_id, (gathered.session).started_at, (gathered.session).started_sequence,
    (gathered.session).ended_at, (gathered.session).engaged_milliseconds, (gathered.session).page_view_count,
    (gathered.session).touchpoint_count, (gathered.session).entry_page, (gathered.session).exit_page,
    coalesce(last_sessions.channel, ways.channel),
    coalesce(last_sessions.source, ways.source),
    coalesce(last_sessions.medium, ways.medium),
    coalesce(last_sessions.campaign, ways.campaign),
    coalesce(last_sessions.term, ways.term),
    coalesce(last_sessions.content, ways.content),
    coalesce(last_sessions.device, beginnings.device),
    (gathered.session).last_campaign
  from gathered
  left join last_sessions
    on last_sessions.site_id = gathered.site_id and last_sessions.session_id = (gathered.session).session_id
  left join beginnings
    on beginnings.site_id = gathered.site_id and beginnings.session_id = (gathered.session).session_id
  left join ways
    on ways.rules_site = beginnings.rules_site
    and ways.touchpoint_source = beginnings.source
    and coalesce(ways.touchpoint_campaign, 'null'::jsonb) = coalesce(beginnings.campaign, 'null'::jsonb)
    and coalesce(ways.referrer, '') = coalesce(beginnings.referrer, '');
end
$$;

create or replace function store.derive_sessions() returns void
language plpgsql
as $$
begin
  perform store.compute_sessions();
  perform store.delete_sessions();
  perform store.store_sessions();
end
$$;

-- Sessions of whoever is replayed that are none any more.
create or replace function store.delete_sessions() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
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
end
$$;

create or replace function store.store_sessions() returns void
language plpgsql
as $$
begin
  -- Those that merely go on, where they stand.
  update sessions
  set ended_at = now.ended_at, engaged_milliseconds = now.engaged_milliseconds, page_view_count = now.page_view_count,
    touchpoint_count = now.touchpoint_count, entry_page = now.entry_page, exit_page = now.exit_page
  from work_session_rows as now
  where sessions.ctid = now.place;

  -- A new session is a new day, or more of one, in its person's metrics. A row that was there before has an xmax: it was
  -- locked to be updated.
  with stored as (
    insert into sessions (
      site_id, session_id, identity_id, visitor_id, person_id, started_at, started_sequence, ended_at, engaged_milliseconds,
      page_view_count, touchpoint_count, entry_page, exit_page, channel, source, medium, campaign, term, content, device,
      last_campaign
    )
    select now.site_id, now.session_id, now.identity_id, now.visitor_id, now.person_id, now.started_at,
      now.started_sequence, now.ended_at, now.engaged_milliseconds, now.page_view_count, now.touchpoint_count,
      now.entry_page, now.exit_page, now.channel, now.source, now.medium, now.campaign, now.term, now.content, now.device,
      now.last_campaign
    from work_session_rows as now
    where now.place is null
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
