-- Figures of stages, kept by differences: how many persons stand where and were where, how many stays in a stage began on
-- which day, and how each ended. A stay begins with one transition and ends with the next.

-- Lengths are counted in steps of half a per cent.
create or replace function store.length_step(seconds double precision) returns smallint
language sql immutable parallel safe
return case when seconds < 0.001 then -2000 else floor(ln(seconds) * 200) end::smallint;

-- A bit for each stage that was entered. Called for every person who moved, mostly with one move, so not a query.
create or replace function store.stages_entered(moves store.stage_move[]) returns integer
language plpgsql immutable parallel safe
as $$
declare
  entered integer := 0;
  moved store.stage_move;
begin
  foreach moved in array moves loop
    entered := entered | (1 << (moved.to_stage - 1));
  end loop;
  return entered;
end
$$;

-- Whoever moved, or is replayed, as they stood before their transitions are written, and the transitions that go.
create or replace function store.note_standings_before() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  if not store.keeps_sums() then
    return;
  end if;
  insert into work_standings
  select -1, work_persons.site_id, work_persons.person_id, work_persons.first_channel, work_persons.stage,
    work_persons.furthest, work_persons.entered_stages
  from work_persons
  join work_stages on work_stages.site_id = work_persons.site_id and work_stages.person_id = work_persons.person_id
  where (work_persons.is_replayed or work_stages.move_count > 0) and work_persons.stage is not null;

  insert into work_moves
  select -1, standings.site_id, standings.channel, transitions.occurred_at, transitions.from_stage, transitions.to_stage,
    transitions.seconds_in_from_stage
  from work_standings as standings
  join work_stages on work_stages.site_id = standings.site_id and work_stages.person_id = standings.person_id
  join work_persons on work_persons.site_id = standings.site_id and work_persons.person_id = standings.person_id
  cross join lateral (
    select stage_transitions.occurred_at, stage_transitions.from_stage, stage_transitions.to_stage,
      stage_transitions.seconds_in_from_stage
    from stage_transitions
    where stage_transitions.site_id = standings.site_id and stage_transitions.person_id = standings.person_id
      and (work_persons.is_base_retained
        or stage_transitions.transition_number > work_stages.transition_count - work_stages.move_count)
    offset 0
  ) as transitions
  where work_persons.is_replayed;
end
$$;

-- The same once transitions and persons are written.
create or replace function store.note_standings_now() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_standings
  select 1, now.site_id, now.person_id, now.first_channel, now.stage, now.furthest, now.entered_stages
  from work_stages
  join work_persons on work_persons.site_id = work_stages.site_id and work_persons.person_id = work_stages.person_id
  join work_person_rows as now on now.site_id = work_stages.site_id and now.person_id = work_stages.person_id
  left join work_standings as before
    on before.site_id = work_stages.site_id and before.person_id = work_stages.person_id
  where (before.person_id is not null or work_persons.is_replayed or work_stages.move_count > 0) and now.stage is not null;

  insert into work_moves
  select 1, work_stages.site_id, standings.channel, move.moved_at, model_machines.stages[move.from_stage],
    model_machines.stages[move.to_stage], move.seconds
  from work_standings as standings
  join work_stages on work_stages.site_id = standings.site_id and work_stages.person_id = standings.person_id
  join work_sites on work_sites.site_id = work_stages.site_id
  join store.model_machines
    on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version
  cross join lateral unnest(work_stages.moves) as move
  where standings.weight = 1;
end
$$;

-- A transition begins one stay, which counts on its own day, and ends another, which counts on the day that one began.
create or replace function store.note_stays() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  insert into work_stays
  select stays.site_id, stays.day, coalesce(stays.channel, 'Unassigned'), stays.stage, stays.to_stage, stays.step,
    sum(stays.weight), sum(stays.weight * stays.milliseconds)
  from (
    select work_moves.weight, work_moves.site_id, (work_moves.moved_at at time zone work_sites.time_zone)::date as day,
      work_moves.channel, work_moves.to_stage as stage, '' as to_stage, 0::smallint as step, 0::bigint as milliseconds
    from work_moves
    join work_sites on work_sites.site_id = work_moves.site_id
    union all
    select work_moves.weight, work_moves.site_id,
      ((work_moves.moved_at - work_moves.seconds * interval '1 second') at time zone work_sites.time_zone)::date,
      work_moves.channel, work_moves.from_stage, work_moves.to_stage, store.length_step(work_moves.seconds),
      round(work_moves.seconds * 1000)::bigint
    from work_moves
    join work_sites on work_sites.site_id = work_moves.site_id
    where work_moves.from_stage is not null
  ) as stays
  group by stays.site_id, stays.day, coalesce(stays.channel, 'Unassigned'), stays.stage, stays.to_stage, stays.step
  having sum(stays.weight) <> 0 or sum(stays.weight * stays.milliseconds) <> 0;
end
$$;

create or replace function store.derive_stage_metrics() returns void
language plpgsql
as $$
begin
  if not store.keeps_sums() then
    return;
  end if;
  perform store.note_standings_now();
  if not exists (select from work_standings) then
    return;
  end if;
  perform store.note_stays();

  insert into stage_standings
  select work_standings.site_id, work_standings.stage, work_standings.furthest, work_standings.entered_stages,
    sum(work_standings.weight)
  from work_standings
  group by work_standings.site_id, work_standings.stage, work_standings.furthest, work_standings.entered_stages
  having sum(work_standings.weight) <> 0
  on conflict (site_id, stage, furthest, entered_stages) do update set persons = stage_standings.persons + excluded.persons;

  insert into stage_days
  select work_stays.site_id, work_stays.day, work_stays.channel, work_stays.stage, work_stays.to_stage, work_stays.step,
    work_stays.stays, work_stays.milliseconds
  from work_stays
  on conflict (site_id, day, channel, stage, to_stage, step) do update set
    stays = stage_days.stays + excluded.stays, milliseconds = stage_days.milliseconds + excluded.milliseconds;

  insert into stage_lengths
  select work_stays.site_id, work_stays.stage, work_stays.to_stage, work_stays.step, sum(work_stays.stays),
    sum(work_stays.milliseconds)
  from work_stays
  where work_stays.to_stage <> ''
  group by work_stays.site_id, work_stays.stage, work_stays.to_stage, work_stays.step
  on conflict (site_id, stage, to_stage, step) do update set
    stays = stage_lengths.stays + excluded.stays, milliseconds = stage_lengths.milliseconds + excluded.milliseconds;

  -- What fell to nothing goes.
  delete from stage_standings
  using (select distinct work_standings.site_id from work_standings where work_standings.weight = -1) as sites
  where stage_standings.site_id = sites.site_id and stage_standings.persons = 0;
  if exists (select from work_stays where work_stays.stays < 0) then
    perform store.delete_empty_stays();
  end if;
end
$$;

create or replace function store.delete_empty_stays() returns void
language plpgsql
as $$
begin
  delete from stage_days
  where stage_days.ctid = any (array(
    select known.place
    from work_stays
    cross join lateral (
      select stage_days.ctid as place
      from stage_days
      where stage_days.site_id = work_stays.site_id and stage_days.day = work_stays.day
        and stage_days.channel = work_stays.channel and stage_days.stage = work_stays.stage
        and stage_days.to_stage = work_stays.to_stage and stage_days.step = work_stays.step and stage_days.stays = 0
      offset 0
    ) as known
    where work_stays.stays < 0
  ));
  delete from stage_lengths
  where stage_lengths.ctid = any (array(
    select known.place
    from work_stays
    cross join lateral (
      select stage_lengths.ctid as place
      from stage_lengths
      where stage_lengths.site_id = work_stays.site_id and stage_lengths.stage = work_stays.stage
        and stage_lengths.to_stage = work_stays.to_stage and stage_lengths.step = work_stays.step and stage_lengths.stays = 0
      offset 0
    ) as known
    where work_stays.stays < 0
  ));
end
$$;

drop function if exists store.quantile(double precision[], bigint[], double precision);

-- The values below which shares of weighted values lie, as percentile_cont gives them. Values and shares ascend.
create or replace function store.quantiles(amounts double precision[], counts bigint[], shares double precision[])
returns double precision[]
language plpgsql immutable strict parallel safe
as $$
declare
  total bigint := (select sum(listed.count) from unnest(counts) as listed (count));
  passed bigint := 0;
  found_values double precision[] := '{}';
  place double precision := shares[1] * (total - 1); -- counted from 0
  neighbour double precision;
begin
  for index in 1 .. cardinality(amounts) loop
    passed := passed + counts[index];
    while passed > ceil(place) loop
      neighbour := amounts[case when floor(place) < passed - counts[index] then index - 1 else index end];
      found_values := found_values || (neighbour + (place - floor(place)) * (amounts[index] - neighbour));
      if cardinality(found_values) = cardinality(shares) then
        return found_values;
      end if;
      place := shares[cardinality(found_values) + 1] * (total - 1);
    end loop;
  end loop;
  return found_values;
end
$$;
