import type { List } from './page.ts';

const columns = `stage_transitions.transition_id, stage_transitions.person_id, stage_transitions.journey_number,
  stage_transitions.from_stage, stage_transitions.to_stage, stage_transitions.occurred_at, stage_transitions.cause,
  stage_transitions.touchpoint_id, stage_transitions.signal, stage_transitions.rule, stage_transitions.model_version,
  stage_transitions.direction, stage_transitions.skipped_stages, stage_transitions.author,
  stage_transitions.seconds_in_from_stage`;

/** The transitions of a site by time. */
export const transitionList: List = {
  name: 'transitions',
  columns,
  from: 'journey.stage_transitions',
  siteColumn: 'stage_transitions.site_id',
  key: [
    { column: 'stage_transitions.occurred_at', type: 'timestamptz' },
    { column: 'stage_transitions.transition_id', type: 'uuid' },
  ],
};

/**
 * The transitions of one person. Several can share an instant: a timer, then the touchpoint that ends the wait. Their
 * number in the person would sort them too, but it grows under a reader's feet when a late touchpoint comes in.
 */
export const personTransitionList: List = {
  ...transitionList,
  name: 'person-transitions',
  key: [
    { column: 'stage_transitions.occurred_at', type: 'timestamptz' },
    { column: "(stage_transitions.cause <> 'timer')", type: 'boolean' },
    { column: 'stage_transitions.transition_id', type: 'uuid' },
  ],
};
