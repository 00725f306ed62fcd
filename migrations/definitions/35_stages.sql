-- Stages (SEMANTICS 6): a finite automaton, kept as data, folded over a person's signals in order.

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

-- When the timer of the present state falls due. Idleness counts from the last signal or override. A timer due while an
-- override holds never fires; the next signal sets another.
create or replace function store.stage_due_at(machine store.stage_state, timer_seconds double precision[]) returns timestamptz
language plpgsql immutable parallel safe
as $$
declare
  due timestamptz;
begin
  if machine.state is null or machine.state = 0 or timer_seconds[machine.state] is null then
    return null;
  end if;
  due := greatest(machine.last_signal_at, machine.overridden_at) + timer_seconds[machine.state] * interval '1 second';
  return case when due < machine.held_until then null else due end;
end
$$;

-- One more signal of the person, an override (its stage is the signal, below 0), or (without one) time alone. A timer due at
-- an instant comes before touchpoints of it.
create or replace function store.stage_step(
  machine store.stage_state, seed store.stage_state, at timestamptz, signal smallint, rule text, touchpoint_id uuid,
  session_gap interval, targets smallint[], state_stages smallint[], signal_count integer, return_signal smallint,
  returning_signals smallint[], timer_seconds double precision[], timer_targets smallint[], timer_names text[],
  held_until timestamptz, override_targets smallint[]
) returns store.stage_state
language plpgsql immutable
as $$
declare
  current store.stage_state := machine;
  due timestamptz;
  the_signal smallint := signal;
  target smallint;
begin
  if current.transition_count is null then
    current := seed;
    if current.transition_count is null then
      current := row(0, 0, null, 1, null, 0, null, '{}', null, null)::store.stage_state;
    end if;
  end if;

  while current.state > 0 and timer_seconds[current.state] is not null loop
    due := store.stage_due_at(current, timer_seconds);
    exit when due is null or due > at;
    target := timer_targets[current.state];
    current := store.stage_moved(current, target, due, null, 'timer', null, timer_names[current.state], state_stages);
    current.last_timer_at := due;
  end loop;

  if signal is null then
    return current;
  elsif signal < 0 then
    target := override_targets[current.state * (cardinality(override_targets) / (cardinality(state_stages) + 1)) - signal];
    current := store.stage_moved(current, target, at, touchpoint_id, 'override', null, rule, state_stages);
    current.overridden_at := at;
    current.held_until := stage_step.held_until;
    current.last_timer_at := at; -- a touchpoint before it comes late
    return current;
  elsif at < current.held_until then
    current.last_signal_at := at;
    return current;
  end if;

  target := targets[current.state * signal_count + signal];
  if signal = any (returning_signals) and at - current.last_signal_at >= session_gap then
    the_signal := return_signal;
    if targets[current.state * signal_count + return_signal] > 0 then
      target := targets[current.state * signal_count + return_signal];
    end if;
  end if;
  if target > 0 then
    current := store.stage_moved(current, target, at, touchpoint_id, 'touchpoint', the_signal, rule, state_stages);
  end if;
  current.last_signal_at := at;
  return current;
end
$$;

drop aggregate if exists store.stages_of(
  store.stage_state, timestamptz, smallint, text, uuid, interval, smallint[], smallint[], integer, smallint, smallint[],
  double precision[], smallint[], text[]);
drop function if exists store.stage_step(
  store.stage_state, store.stage_state, timestamptz, smallint, text, uuid, interval, smallint[], smallint[], integer,
  smallint, smallint[], double precision[], smallint[], text[]);

create or replace aggregate store.stages_of(
  store.stage_state, timestamptz, smallint, text, uuid, interval, smallint[], smallint[], integer, smallint, smallint[],
  double precision[], smallint[], text[], timestamptz, smallint[]
) (sfunc = store.stage_step, stype = store.stage_state);

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
    cross join lateral (
      select rules.signal, rules.rule where not rules.is_conditional
      union all
      (
        select conditional.signal, conditional.rule
        from (
          -- The workbench holds the properties of those events alone that the other definitions read.
          select case when store.reads_properties(work_touchpoints.name) then work_touchpoints.properties else (
            select touchpoints.properties
            from store.touchpoints
            where touchpoints.site_id = work_touchpoints.site_id and touchpoints.touchpoint_id = work_touchpoints.touchpoint_id
          ) end as properties
        ) as said
        left join lateral (
          select model_rules.signal, model_rules.rule
          from store.model_rules
          where model_rules.model_name = work_sites.model_name and model_rules.version = work_sites.model_version
            and model_rules.event_name = work_touchpoints.name
            and (model_rules.condition is null or store.matches(model_rules.condition, said.properties))
          order by model_rules.position
          limit 1
        ) as conditional on true
        where rules.is_conditional
      )
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

  -- Where everybody at hand stood before; null for whoever is new, or replayed from the beginning.
  seeds as materialized (
    select work_persons.site_id, work_persons.person_id, work_persons.until_at,
      case when known.transition_count is not null then row(
        coalesce(known.state, 0), coalesce(known.furthest, 0), known.since, coalesce(known.journey_number, 1),
        known.last_signal_at, known.transition_count, known.last_timer_at, '{}', known.held_until, known.overridden_at
      )::store.stage_state end as seed
    from work_persons
    left join lateral (
      select persons.state, persons.furthest, persons.since, persons.journey_number, persons.last_signal_at,
        persons.transition_count, persons.last_timer_at, persons.held_until, persons.overridden_at
      from persons
      where not work_persons.is_replayed
        and persons.site_id = work_persons.site_id and persons.person_id = work_persons.person_id
      union all
      select checkpoints.state, checkpoints.furthest, checkpoints.since, checkpoints.journey_number, checkpoints.last_signal_at,
        checkpoints.transition_count, checkpoints.last_timer_at, checkpoints.held_until, checkpoints.overridden_at
      from checkpoints
      where work_persons.has_base
        and checkpoints.site_id = work_persons.site_id and checkpoints.person_id = work_persons.person_id
        and checkpoints.last_seen_at = work_persons.base_at and checkpoints.last_sequence = work_persons.base_sequence
        and checkpoints.last_touchpoint_id = work_persons.base_touchpoint_id
      offset 0
    ) as known on true
  ),

  folded as (
    select signals.site_id, signals.person_id,
      store.stages_of(
        seeds.seed,
        signals.at, signals.signal, signals.rule, signals.touchpoint_id, work_sites.session_gap,
        model_machines.targets, model_machines.state_stages, cardinality(model_machines.signals),
        model_machines.return_signal, model_machines.returning_signals, model_machines.timer_seconds,
        model_machines.timer_targets, model_machines.timer_names, signals.held_until, model_machines.override_targets
        order by signals.at, signals.sequence, signals.touchpoint_id
      ) as machine
    from signals
    join seeds on seeds.site_id = signals.site_id and seeds.person_id = signals.person_id
    join work_sites on work_sites.site_id = signals.site_id
    join store.model_machines
      on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version
    where signals.signal is not null
    group by signals.site_id, signals.person_id
  ),

  -- Where everybody at hand stands after their signals, or still, if there were none.
  standing as (
    select seeds.site_id, seeds.person_id, seeds.until_at,
      case
        when folded.person_id is not null then folded.machine
        when (seeds.seed).transition_count is not null then seeds.seed
        else row(0, 0, null, 1, null, 0, null, '{}', null, null)::store.stage_state
      end as machine
    from seeds
    left join folded on folded.site_id = seeds.site_id and folded.person_id = seeds.person_id
  )

  -- Time alone, for whom a timer has fallen due since.
  select standing.site_id, standing.person_id,
    case
      when standing.until_at = 'infinity'
        and store.stage_due_at(standing.machine, model_machines.timer_seconds) <= work_sites.as_of then store.stage_step(
        standing.machine, null, work_sites.as_of, null, null, null, work_sites.session_gap,
        model_machines.targets, model_machines.state_stages, cardinality(model_machines.signals),
        model_machines.return_signal, model_machines.returning_signals, model_machines.timer_seconds,
        model_machines.timer_targets, model_machines.timer_names, null, model_machines.override_targets)
      else standing.machine
    end
  from standing
  join work_sites on work_sites.site_id = standing.site_id
  join store.model_machines
    on model_machines.model_name = work_sites.model_name and model_machines.version = work_sites.model_version;
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
        and (stage_transitions.transition_number > coalesce((work_stages.machine).transition_count, 0)
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
  cross join lateral unnest((work_stages.machine).moves) as move
  on conflict (site_id, person_id, transition_number) do update set
    transition_id = excluded.transition_id, journey_number = excluded.journey_number, from_stage = excluded.from_stage,
    to_stage = excluded.to_stage, occurred_at = excluded.occurred_at, touchpoint_id = excluded.touchpoint_id,
    cause = excluded.cause, signal = excluded.signal, rule = excluded.rule, model_version = excluded.model_version,
    direction = excluded.direction, skipped_stages = excluded.skipped_stages, author = excluded.author,
    seconds_in_from_stage = excluded.seconds_in_from_stage
  where stage_transitions is distinct from excluded;
end
$$;
