-- Journey models: JSON documents, compiled into the arrays that the stage machine runs on. In a document a target with *
-- begins a new journey, a signal of null moves nothing and is no sign of life, and the first signal is that of every
-- touchpoint no rule speaks of.

drop function if exists store.put_model(jsonb);

create or replace function store.put_model(the_name text, the_version integer, document jsonb) returns void
language plpgsql
as $$
declare
  the_stages text[] := array(select jsonb_array_elements_text(document -> 'stages'));
  the_signals text[] := array(select jsonb_array_elements_text(document -> 'signals'));
  the_states text[] := array(select states.state ->> 'state' from jsonb_array_elements(document -> 'states') with ordinality as states (state, position) order by states.position);
  the_targets smallint[] := array_fill(0::smallint, array[(cardinality(the_states) + 1) * cardinality(the_signals)]);
  the_timer_names text[] := array_fill(null::text, array[cardinality(the_states)]);
  the_timer_seconds double precision[] := array_fill(null::double precision, array[cardinality(the_states)]);
  the_timer_targets smallint[] := array_fill(0::smallint, array[cardinality(the_states)]);
  transition record;
  target text;
  state_number integer;
  state_count integer := cardinality(the_states);
  state_stages text[] := array(select states.state ->> 'stage' from jsonb_array_elements(document -> 'states') with ordinality as states (state, position) order by states.position);
  is_reached boolean[] := array_fill(false, array[(state_count + 1) * (state_count + 1)], array[0]);
  the_override_targets smallint[] := '{}';
begin
  for transition in
    select states.key as from_state, moves.key as signal, moves.value as target
    from jsonb_each(document -> 'transitions') as states (key, value)
    cross join lateral jsonb_each_text(states.value) as moves (key, value)
  loop
    state_number := case when transition.from_state = 'nobody' then 0 else array_position(the_states, transition.from_state) end;
    target := rtrim(transition.target, '*');
    if state_number is null or array_position(the_signals, transition.signal) is null or array_position(the_states, target) is null then
      raise exception 'Model %: the transition from % on % to % names an unknown state or signal',
        the_name, transition.from_state, transition.signal, transition.target;
    end if;
    the_targets[state_number * cardinality(the_signals) + array_position(the_signals, transition.signal)] :=
      array_position(the_states, target) + case when transition.target like '%*' then 100 else 0 end;
  end loop;

  for transition in
    select timers.timer ->> 'name' as name, timers.timer ->> 'state' as state, timers.timer ->> 'to' as target,
      (timers.timer ->> 'after_hours')::double precision * 3600 as seconds
    from jsonb_array_elements(document -> 'timers') as timers (timer)
  loop
    state_number := array_position(the_states, transition.state);
    the_timer_names[state_number] := transition.name;
    the_timer_seconds[state_number] := transition.seconds;
    the_timer_targets[state_number] := array_position(the_states, transition.target);
  end loop;

  -- Which states each state can lead to, itself included.
  for from_state in 0 .. state_count loop
    is_reached[from_state * (state_count + 1) + from_state] := true;
    for signal_number in 1 .. cardinality(the_signals) loop
      state_number := the_targets[from_state * cardinality(the_signals) + signal_number] % 100;
      if state_number > 0 then
        is_reached[from_state * (state_count + 1) + state_number] := true;
      end if;
    end loop;
    if from_state > 0 and the_timer_targets[from_state] > 0 then
      is_reached[from_state * (state_count + 1) + the_timer_targets[from_state]] := true;
    end if;
  end loop;
  for via_state in 1 .. state_count loop
    for from_state in 0 .. state_count loop
      continue when not is_reached[from_state * (state_count + 1) + via_state];
      for to_state in 1 .. state_count loop
        if is_reached[via_state * (state_count + 1) + to_state] then
          is_reached[from_state * (state_count + 1) + to_state] := true;
        end if;
      end loop;
    end loop;
  end loop;

  -- An override to a stage leads to the present state, if it is of that stage; else to the first of the stage's states that
  -- can be reached from it; else to the first at all.
  for from_state in 0 .. state_count loop
    for stage_number in 1 .. cardinality(the_stages) loop
      the_override_targets := the_override_targets || (
        select states.number::smallint
        from generate_series(1, state_count) as states (number)
        where state_stages[states.number] = the_stages[stage_number]
        order by states.number <> from_state, not is_reached[from_state * (state_count + 1) + states.number], states.number
        limit 1
      );
    end loop;
  end loop;

  insert into store.models (model_name, version, document) values (the_name, the_version, put_model.document)
  on conflict (model_name, version) do update set document = excluded.document
  where models.document is distinct from excluded.document;

  insert into store.model_machines (
    model_name, version, stages, states, state_stages, signals, return_signal, returning_signals, purchase_signal,
    targets, timer_names, timer_seconds, timer_targets, override_targets
  )
  select
    the_name, the_version, the_stages, the_states,
    array(
      select array_position(the_stages, states.state ->> 'stage')::smallint
      from jsonb_array_elements(document -> 'states') with ordinality as states (state, position) order by states.position
    ),
    the_signals, array_position(the_signals, 'return'),
    array(select array_position(the_signals, returning_signals.signal)::smallint from jsonb_array_elements_text(document -> 'returning') as returning_signals (signal)),
    array_position(the_signals, 'purchase'),
    the_targets, the_timer_names, the_timer_seconds, the_timer_targets, the_override_targets
  on conflict (model_name, version) do update set
    stages = excluded.stages, states = excluded.states, state_stages = excluded.state_stages, signals = excluded.signals,
    return_signal = excluded.return_signal, returning_signals = excluded.returning_signals,
    purchase_signal = excluded.purchase_signal, targets = excluded.targets, timer_names = excluded.timer_names,
    timer_seconds = excluded.timer_seconds, timer_targets = excluded.timer_targets,
    override_targets = excluded.override_targets;

  delete from store.model_rules where model_rules.model_name = the_name and model_rules.version = the_version;
  insert into store.model_rules (model_name, version, event_name, position, signal, rule, condition)
  select
    the_name, the_version, event_names.event_name, rules.position,
    array_position(the_signals, rules.rule ->> 'signal'), rules.rule ->> 'rule', rules.rule -> 'when'
  from jsonb_array_elements(document -> 'rules') with ordinality as rules (rule, position)
  cross join lateral jsonb_array_elements_text(rules.rule -> 'events') as event_names (event_name);
end
$$;
comment on function store.put_model(text, integer, jsonb) is
  'Stores a version of a journey model and compiles it. The document was checked before (models/check.ts).';

-- The documents beside these definitions (migrations/models), stored by `milepost migrate`.
create or replace function store.put_shipped_model(document jsonb) returns void
language sql
as $$
  select store.put_model(document ->> 'name', (document ->> 'version')::integer, document)
$$;

-- What this version compiles out of a document, it compiles out of those stored before too.
do $$
begin
  perform store.put_model(models.model_name, models.version, models.document) from store.models;
end
$$;
