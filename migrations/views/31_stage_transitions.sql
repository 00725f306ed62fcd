create view journey.stage_transitions as
select
  stage_transitions.site_id,
  stage_transitions.transition_id,
  stage_transitions.person_id,
  stage_transitions.transition_number,
  stage_transitions.journey_number,
  stage_transitions.from_stage,
  stage_transitions.to_stage,
  stage_transitions.occurred_at,
  stage_transitions.touchpoint_id,
  stage_transitions.cause,
  stage_transitions.signal,
  stage_transitions.rule,
  stage_transitions.model_version,
  stage_transitions.direction,
  stage_transitions.skipped_stages,
  stage_transitions.author,
  stage_transitions.seconds_in_from_stage
from store.stage_transitions;

comment on view journey.stage_transitions is
  'One row per change of stage of one person at one instant, with its cause.';
comment on column journey.stage_transitions.site_id is 'The site, the tenant the row belongs to.';
comment on column journey.stage_transitions.transition_id is 'The touchpoint''s or override''s id, or for a timer a name-based UUID.';
comment on column journey.stage_transitions.person_id is 'Who moved.';
comment on column journey.stage_transitions.transition_number is '1, 2, … within the person, in order.';
comment on column journey.stage_transitions.journey_number is 'The journey it belongs to, after the transition.';
comment on column journey.stage_transitions.from_stage is 'The stage left; null for the first.';
comment on column journey.stage_transitions.to_stage is 'The stage entered.';
comment on column journey.stage_transitions.occurred_at is
  'When: the touchpoint''s time, or the instant the timer fell due.';
comment on column journey.stage_transitions.touchpoint_id is 'The touchpoint that caused it; null for a timer or an override.';
comment on column journey.stage_transitions.cause is 'touchpoint, timer or override.';
comment on column journey.stage_transitions.signal is 'What the touchpoint said by the model; return after a pause.';
comment on column journey.stage_transitions.rule is 'The rule of the model that gave the signal, the timer''s name, or override.';
comment on column journey.stage_transitions.model_version is 'Version of the journey model.';
comment on column journey.stage_transitions.direction is 'forward, backward or same.';
comment on column journey.stage_transitions.skipped_stages is 'Stages strictly between, of a forward move.';
comment on column journey.stage_transitions.author is 'Who made an override.';
comment on column journey.stage_transitions.seconds_in_from_stage is 'Seconds in the stage left; null for the first.';
