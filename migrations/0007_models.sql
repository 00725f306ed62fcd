-- Journey models of sites, changing a site's model behind its old answers, and figures of stages kept by derivation.

-- A shipped model is named as itself; a site's own is keyed '<site_id>/<name>', its versions count up within the site.
alter table store.models add column created_at timestamptz not null default now();
comment on column store.models.model_name is 'The name of a shipped model, or <site_id>/<name> of a site''s own.';

-- Not every automaton knows a return, or orders.
alter table store.model_machines
  alter column return_signal drop not null,
  alter column purchase_signal drop not null;

-- Stages that somebody set by hand: inputs, placed in their person's order like a touchpoint.
create table store.overrides (
  site_id integer not null,
  override_id uuid not null,
  identity_id uuid not null, -- whose person it is about, as a touchpoint of that identity would be
  stage text not null,
  from_at timestamptz not null,
  until_at timestamptz check (until_at > from_at), -- signals and timers before it move nothing
  author text not null,
  note text,
  created_at timestamptz not null default now(),
  primary key (site_id, override_id)
);
create index overrides_identity on store.overrides (site_id, identity_id);
comment on table store.overrides is 'One row per stage set by hand. Deleting it undoes it.';

-- State × stages → the state that an override to the stage leads to.
alter table store.model_machines add column override_targets smallint[] not null default '{}';

alter type store.stage_state add attribute held_until timestamptz, add attribute overridden_at timestamptz;
alter table store.persons add column held_until timestamptz, add column overridden_at timestamptz;
comment on column store.persons.held_until is 'Until then the last override holds: signals and timers move nothing.';
comment on column store.persons.overridden_at is 'The last override. Idleness counts from it, where no signal came since.';

-- A change of model under way: every person of the site is derived under the new version beside the answers of the old
-- one, then all are switched at once.
create table store.model_changes (
  site_id integer primary key,
  model_name text not null,
  model_version integer not null,
  session_gap interval not null, -- what else the stages depend on; another one begins the work anew
  position uuid, -- the last person of the first run through all
  begun_at timestamptz not null default now()
);
comment on table store.model_changes is 'One row per site whose journey model is being changed.';

-- Where a person stands under the new version. Whoever is derived meanwhile loses the row and gets another.
create table store.next_stages (
  site_id integer not null,
  person_id uuid not null,
  state smallint not null,
  furthest smallint not null,
  since timestamptz,
  journey_number integer not null,
  last_signal_at timestamptz,
  transition_count integer not null,
  last_timer_at timestamptz,
  moves store.stage_move[] not null,
  held_until timestamptz,
  overridden_at timestamptz,
  next_due_at timestamptz,
  primary key (site_id, person_id)
);
comment on table store.next_stages is 'One row per person already derived under the model that a site is changing to.';

-- Every stage a person ever stood in: bit 0 is the model's first stage.
alter table store.persons add column entered_stages integer not null default 0;

-- How many persons stand where, have come how far, and were in which stages on the way.
create table store.stage_standings (
  site_id integer not null,
  stage text not null,
  furthest smallint not null,
  entered_stages integer not null,
  persons bigint not null,
  primary key (site_id, stage, furthest, entered_stages)
) with (fillfactor = 50);

-- How many stays in a stage ended how, by length in steps of half a per cent: what medians are read from.
create table store.stage_lengths (
  site_id integer not null,
  stage text not null,
  to_stage text not null,
  step smallint not null,
  stays bigint not null,
  milliseconds bigint not null,
  primary key (site_id, stage, to_stage, step)
) with (fillfactor = 50);

-- The same by the day the stay began and the person's first channel. to_stage '' (and step 0) counts every stay begun.
create table store.stage_days (
  site_id integer not null,
  day date not null,
  channel text not null,
  stage text not null,
  to_stage text not null,
  step smallint not null,
  stays bigint not null,
  milliseconds bigint not null,
  primary key (site_id, day, channel, stage, to_stage, step)
) with (fillfactor = 80);

-- What is there already.
update store.persons
set entered_stages = entered.stages
from (
  select stage_transitions.site_id, stage_transitions.person_id,
    bit_or(1 << (array_position(model_machines.stages, stage_transitions.to_stage) - 1)) as stages
  from store.stage_transitions
  join store.sites on sites.site_id = stage_transitions.site_id
  join store.model_machines
    on model_machines.model_name = sites.model_name and model_machines.version = sites.model_version
  group by stage_transitions.site_id, stage_transitions.person_id
) as entered
where persons.site_id = entered.site_id and persons.person_id = entered.person_id;

insert into store.stage_standings
select persons.site_id, persons.stage, persons.furthest, persons.entered_stages, count(*)
from store.persons
where persons.stage is not null
group by persons.site_id, persons.stage, persons.furthest, persons.entered_stages;

insert into store.stage_days
select stays.site_id, stays.day, stays.channel, stays.stage, stays.to_stage, stays.step, count(*), sum(stays.milliseconds)
from (
  select stage_transitions.site_id, coalesce(persons.first_channel, 'Unassigned') as channel, ends.*
  from store.stage_transitions
  join store.sites on sites.site_id = stage_transitions.site_id
  join store.persons
    on persons.site_id = stage_transitions.site_id and persons.person_id = stage_transitions.person_id
  cross join lateral (
    select (stage_transitions.occurred_at at time zone sites.time_zone)::date as day, stage_transitions.to_stage as stage,
      '' as to_stage, 0 as step, 0 as milliseconds
    union all
    select
      ((stage_transitions.occurred_at - stage_transitions.seconds_in_from_stage * interval '1 second') at time zone sites.time_zone)::date,
      stage_transitions.from_stage, stage_transitions.to_stage,
      case when stage_transitions.seconds_in_from_stage < 0.001 then -2000
        else floor(ln(stage_transitions.seconds_in_from_stage) * 200) end,
      round(stage_transitions.seconds_in_from_stage * 1000)
    where stage_transitions.from_stage is not null
  ) as ends
) as stays
group by stays.site_id, stays.day, stays.channel, stays.stage, stays.to_stage, stays.step;

insert into store.stage_lengths
select stage_days.site_id, stage_days.stage, stage_days.to_stage, stage_days.step, sum(stage_days.stays), sum(stage_days.milliseconds)
from store.stage_days
where stage_days.to_stage <> ''
group by stage_days.site_id, stage_days.stage, stage_days.to_stage, stage_days.step;
