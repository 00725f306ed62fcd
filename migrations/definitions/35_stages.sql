-- Stages (SEMANTICS 6): a finite automaton, kept as data, folded over a person's signals in order.

-- When the timer of a state falls due. Idleness counts from the last signal or override. A timer due while an override
-- holds never fires; the next signal sets another. Stable, as adding an interval is: declared immutable it would not be inlined.
create or replace function store.stage_due_at(
  state smallint, last_signal_at timestamptz, overridden_at timestamptz, held_until timestamptz, timer_seconds double precision[]
) returns timestamptz
language sql stable parallel safe
return case
  when greatest(last_signal_at, overridden_at) + timer_seconds[nullif(state, 0)] * interval '1 second' < held_until then null
  else greatest(last_signal_at, overridden_at) + timer_seconds[nullif(state, 0)] * interval '1 second'
end;

-- A move to another state, which begins a new journey where 100 is added to it.
create or replace function store.stage_moved(
  current store.stage_state, target smallint, at timestamptz, touchpoint_id uuid, cause text, signal smallint, rule text,
  state_stages smallint[]
) returns store.stage_state
language plpgsql immutable
as $$
declare
  to_state smallint := target % 100;
  from_stage smallint := state_stages[nullif(current.state, 0)];
begin
  current.transition_count := current.transition_count + 1;
  current.journey_number := current.journey_number + case when target >= 100 then 1 else 0 end;
  current.moves := current.moves || row(
    current.transition_count, current.journey_number, from_stage, state_stages[to_state], at, touchpoint_id, cause, signal, rule,
    extract(epoch from at - current.since)
  )::store.stage_move;
  current.state := to_state;
  current.since := at;
  current.furthest := greatest(current.furthest, state_stages[to_state]);
  return current;
end
$$;

-- The fold: where a person stands after their signals and overrides, who stood at `seed` (null: nobody yet) before. With
-- `as_of` the timers due by then have fired. A timer due at an instant comes before touchpoints of it. `moves` of the
-- result are those of this run.
create or replace function store.stages_after(
  seed store.stage_state, signals store.stage_signal[], machine store.model_machines, session_gap interval, as_of timestamptz
) returns store.stage_state
language plpgsql immutable
as $$
declare
  current store.stage_state := coalesce(seed, row(0, 0, null, 1, null, 0, null, '{}', null, null)::store.stage_state);
  given store.stage_signal;
  signal smallint;
  target smallint;
begin
  foreach given in array signals loop
    if machine.timer_seconds[current.state] is not null then
      current := store.stage_at(current, given.at, machine);
    end if;
    signal := given.signal;
    if signal < 0 then
      target := machine.override_targets[
        current.state * (cardinality(machine.override_targets) / (cardinality(machine.states) + 1)) - signal];
      current := store.stage_moved(current, target, given.at, given.touchpoint_id, 'override', null, given.rule, machine.state_stages);
      current.overridden_at := given.at;
      current.held_until := given.held_until;
      current.last_timer_at := given.at; -- a touchpoint before it comes late
      continue;
    elsif given.at < current.held_until then
      current.last_signal_at := given.at;
      continue;
    end if;

    target := machine.targets[current.state * cardinality(machine.signals) + signal];
    if given.at - current.last_signal_at >= session_gap and signal = any (machine.returning_signals) then
      signal := machine.return_signal;
      if machine.targets[current.state * cardinality(machine.signals) + signal] > 0 then
        target := machine.targets[current.state * cardinality(machine.signals) + signal];
      end if;
    end if;
    if target > 0 then
      current := store.stage_moved(current, target, given.at, given.touchpoint_id, 'touchpoint', signal, given.rule, machine.state_stages);
    end if;
    current.last_signal_at := given.at;
  end loop;
  if as_of is not null and machine.timer_seconds[current.state] is not null then
    current := store.stage_at(current, as_of, machine);
  end if;
  return current;
end
$$;

-- Lets the timers fire that are due at or before an instant.
create or replace function store.stage_at(current store.stage_state, at timestamptz, machine store.model_machines)
returns store.stage_state
language plpgsql immutable
as $$
declare
  due timestamptz;
begin
  loop
    due := store.stage_due_at(
      current.state, current.last_signal_at, current.overridden_at, current.held_until, machine.timer_seconds);
    exit when due is null or due > at;
    current := store.stage_moved(current, machine.timer_targets[current.state], due, null, 'timer', null,
      machine.timer_names[current.state], machine.state_stages);
    current.last_timer_at := due;
  end loop;
  return current;
end
$$;

-- What it was before.
drop aggregate if exists store.stages_of(
  store.stage_state, timestamptz, smallint, text, uuid, interval, smallint[], smallint[], integer, smallint, smallint[],
  double precision[], smallint[], text[], timestamptz, smallint[]);
drop function if exists store.stage_step(
  store.stage_state, store.stage_state, timestamptz, smallint, text, uuid, interval, smallint[], smallint[], integer,
  smallint, smallint[], double precision[], smallint[], text[], timestamptz, smallint[]);
drop function if exists store.stage_due_at(store.stage_state, double precision[]);

-- Runs the machine for the persons at hand, from where they stand or, when replayed, from the beginning.
create or replace function store.compute_stages() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  perform store.mute_runaways();
  insert into work_stages
  -- The rule of an event name, looked up once for all its touchpoints unless it depends on their properties.
  with names as (
    select work_sites.site_id, work_sites.model_name, work_sites.model_version, at_hand.name
    from (select distinct work_touchpoints.site_id, work_touchpoints.name from work_touchpoints) as at_hand
    join work_sites on work_sites.site_id = at_hand.site_id
  ),

  rules as materialized (
    select names.site_id, names.name, first_rule.signal, first_rule.rule,
      coalesce(first_rule.is_conditional, false) as is_conditional
    from names
    left join lateral (
      select model_rules.signal, model_rules.rule, model_rules.condition is not null as is_conditional
      from store.model_rules
      where model_rules.model_name = names.model_name and model_rules.version = names.model_version
        and model_rules.event_name = names.name
      order by model_rules.position
      limit 1
    ) as first_rule on true
  ),

  signals as (
    select
      work_persons.site_id, work_persons.person_id, work_touchpoints.occurred_at as at, work_touchpoints.sequence,
      work_touchpoints.touchpoint_id,
      case
        -- The machine's first signal is that of every touchpoint no rule speaks of.
        when matched.rule is null then 1::smallint
        -- Of the touchpoints of an order one alone gives the purchase signal: its own person's earliest.
        when matched.signal = model_machines.purchase_signal and work_touchpoints.name in ('purchase', 'subscription_started')
          and not exists (
            select from orders
            where orders.site_id = work_touchpoints.site_id
              and orders.order_id = coalesce(store.text_of(work_touchpoints.properties -> 'transaction_id'),
                store.text_of(work_touchpoints.properties -> 'order_id'), work_touchpoints.touchpoint_id::text)
              and orders.touchpoint_id = work_touchpoints.touchpoint_id
          ) then null
        else matched.signal
      end as signal,
      coalesce(matched.rule, 'any_other') as rule,
      null::timestamptz as held_until
    from work_persons
    join work_touchpoints
      on work_touchpoints.site_id = work_persons.site_id and work_touchpoints.person_id = work_persons.person_id
    join work_sites on work_sites.site_id = work_persons.site_id
    join store.model_machines
      on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version
    join rules on rules.site_id = work_touchpoints.site_id and rules.name = work_touchpoints.name
    left join lateral (
      select by_properties.signal, by_properties.rule
      from (
        -- The workbench holds the properties of those events alone that the other definitions read.
        select case when store.reads_properties(work_touchpoints.name) then work_touchpoints.properties else (
          select touchpoints.properties
          from store.touchpoints
          where touchpoints.site_id = work_touchpoints.site_id and touchpoints.touchpoint_id = work_touchpoints.touchpoint_id
        ) end as properties
      ) as said
      cross join lateral (
        select model_rules.signal, model_rules.rule
        from store.model_rules
        where rules.is_conditional
          and model_rules.model_name = work_sites.model_name and model_rules.version = work_sites.model_version
          and model_rules.event_name = work_touchpoints.name
          and (model_rules.condition is null or store.matches(model_rules.condition, said.properties))
        order by model_rules.position
        limit 1
      ) as by_properties
    ) as conditional on true
    cross join lateral (
      select case when rules.is_conditional then conditional.signal else rules.signal end as signal,
        case when rules.is_conditional then conditional.rule else rules.rule end as rule
    ) as matched
    where work_touchpoints.is_activity and not work_persons.is_mute
      and case when work_persons.is_replayed
        then (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
            > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
          and (work_touchpoints.occurred_at, work_touchpoints.sequence, work_touchpoints.touchpoint_id)
            <= (work_persons.until_at, work_persons.until_sequence, work_persons.until_touchpoint_id)
        else work_touchpoints.is_new end

    union all

    -- An override is its identity's person's, as a touchpoint would be, and the first thing of its instant. One that comes
    -- has its person replayed; where the model has no such stage it is left out.
    select work_persons.site_id, work_persons.person_id, overrides.from_at, -9223372036854775808, overrides.override_id,
      (-array_position(model_machines.stages, overrides.stage))::smallint, 'override', overrides.until_at
    from work_persons
    join work_sites on work_sites.site_id = work_persons.site_id
    join store.model_machines
      on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version
    cross join lateral (
      select identities.site_id, identities.identity_id, identities.spell, identities.from_at
      from identities
      where identities.site_id = work_persons.site_id and identities.person_id = work_persons.person_id
      offset 0
    ) as spells
    cross join lateral (
      select overrides.*
      from store.overrides
      where overrides.site_id = spells.site_id and overrides.identity_id = spells.identity_id
      offset 0
    ) as overrides
    where work_persons.is_replayed and exists (select from store.overrides)
      and (overrides.from_at, -9223372036854775808, overrides.override_id)
        > (work_persons.base_at, work_persons.base_sequence, work_persons.base_touchpoint_id)
      and (overrides.from_at, -9223372036854775808, overrides.override_id)
        <= (work_persons.until_at, work_persons.until_sequence, work_persons.until_touchpoint_id)
      and spells.from_at < overrides.from_at
      and not exists (
        select from identities as later
        where later.site_id = spells.site_id and later.identity_id = spells.identity_id and later.spell > spells.spell
          and later.from_at < overrides.from_at
      )
  ),

  given as (
    select signals.site_id, signals.person_id,
      array_agg(row(signals.at, signals.signal, signals.rule, signals.touchpoint_id, signals.held_until)::store.stage_signal
        order by signals.at, signals.sequence, signals.touchpoint_id) as signals
    from signals
    where signals.signal is not null
    group by signals.site_id, signals.person_id
  ),

  folded as (
    select work_persons.site_id, work_persons.person_id, model_machines.timer_seconds,
      store.stages_after(
        -- Where they stood before; null for whoever is new, or replayed from the beginning.
        case
          when work_persons.has_base then row(
            coalesce(bases.state, 0), coalesce(bases.furthest, 0), bases.since, coalesce(bases.journey_number, 1), bases.last_signal_at, bases.transition_count,
            bases.last_timer_at, '{}', bases.held_until, bases.overridden_at)::store.stage_state
          when work_persons.place is not null and not work_persons.is_replayed then row(
            coalesce(work_persons.state, 0), coalesce(work_persons.furthest, 0), work_persons.since,
            coalesce(work_persons.journey_number, 1), work_persons.last_signal_at, work_persons.transition_count, work_persons.last_timer_at, '{}',
            work_persons.held_until, work_persons.overridden_at)::store.stage_state
        end,
        coalesce(given.signals, '{}'), model_machines, work_sites.session_gap,
        case when work_persons.until_at = 'infinity' then work_sites.as_of end
      ) as machine
    from work_persons
    join work_sites on work_sites.site_id = work_persons.site_id
    join store.model_machines
      on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version
    left join given on given.site_id = work_persons.site_id and given.person_id = work_persons.person_id
    left join lateral (
      select checkpoints.state, checkpoints.furthest, checkpoints.since, checkpoints.journey_number, checkpoints.last_signal_at,
        checkpoints.transition_count, checkpoints.last_timer_at, checkpoints.held_until, checkpoints.overridden_at
      from checkpoints
      where work_persons.has_base
        and checkpoints.site_id = work_persons.site_id and checkpoints.person_id = work_persons.person_id
        and checkpoints.last_seen_at = work_persons.base_at and checkpoints.last_sequence = work_persons.base_sequence
        and checkpoints.last_touchpoint_id = work_persons.base_touchpoint_id
      offset 0
    ) as bases on true
    offset 0
  )

  select folded.site_id, folded.person_id, (folded.machine).state, (folded.machine).furthest, (folded.machine).since,
    (folded.machine).journey_number, (folded.machine).last_signal_at, (folded.machine).transition_count,
    (folded.machine).last_timer_at, (folded.machine).held_until, (folded.machine).overridden_at,
    store.stage_due_at((folded.machine).state, (folded.machine).last_signal_at, (folded.machine).overridden_at,
      (folded.machine).held_until, folded.timer_seconds),
    cardinality((folded.machine).moves), (folded.machine).moves
  from folded;
end
$$;

create or replace function store.derive_stages() returns void
language plpgsql
as $$
begin
  perform store.compute_stages();
  perform store.note_standings_before();
  perform store.store_stages();
  perform store.forget_next_stages();
end
$$;

-- Writes the transitions of the persons at hand.
create or replace function store.store_stages() returns void
language plpgsql
set enable_hashjoin = on set enable_nestloop = off
as $$
begin
  delete from stage_transitions
  where stage_transitions.ctid = any (array(
    select known.place
    from work_persons
    left join work_stages on work_stages.site_id = work_persons.site_id and work_stages.person_id = work_persons.person_id
    cross join lateral (
      select stage_transitions.ctid as place
      from stage_transitions
      where stage_transitions.site_id = work_persons.site_id and stage_transitions.person_id = work_persons.person_id
        and (stage_transitions.transition_number > coalesce(work_stages.transition_count, 0)
          -- numbers that somebody had alone, before it turned out that there was more of them before
          or (work_persons.is_base_retained and stage_transitions.transition_number <= work_persons.base_transition_count))
      offset 0
    ) as known
    where work_persons.is_replayed
  ));

  insert into stage_transitions
  select
    work_stages.site_id, work_stages.person_id, move.transition_number,
    coalesce(move.touchpoint_id, store.named_uuid(work_stages.person_id || ' ' || move.rule || ' ' || extract(epoch from move.moved_at))),
    move.journey_number,
    model_machines.stages[move.from_stage], model_machines.stages[move.to_stage], move.moved_at,
    case when move.cause <> 'override' then move.touchpoint_id end, move.cause,
    model_machines.signals[move.signal], move.rule, work_sites.model_version,
    case when move.from_stage is null or move.to_stage > move.from_stage then 'forward'
      when move.to_stage < move.from_stage then 'backward' else 'same' end,
    coalesce(model_machines.stages[coalesce(move.from_stage, 0) + 1 : move.to_stage - 1], '{}'),
    case when move.cause = 'override' then (
      select overrides.author
      from store.overrides
      where overrides.site_id = work_stages.site_id and overrides.override_id = move.touchpoint_id
    ) end,
    move.seconds
  from work_stages
  join work_sites on work_sites.site_id = work_stages.site_id
  join store.model_machines
    on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version
  cross join lateral unnest(work_stages.moves) as move
  on conflict (site_id, person_id, transition_number) do update set
    transition_id = excluded.transition_id, journey_number = excluded.journey_number, from_stage = excluded.from_stage,
    to_stage = excluded.to_stage, occurred_at = excluded.occurred_at, touchpoint_id = excluded.touchpoint_id,
    cause = excluded.cause, signal = excluded.signal, rule = excluded.rule, model_version = excluded.model_version,
    direction = excluded.direction, skipped_stages = excluded.skipped_stages, author = excluded.author,
    seconds_in_from_stage = excluded.seconds_in_from_stage
  where stage_transitions is distinct from excluded;
end
$$;
