import type { Pool } from 'pg';
import type { z } from 'zod';
import { Problem } from '../problems.ts';
import type { Access } from './access.ts';
import type { List } from './page.ts';
import { queryRows } from './rows.ts';
import type { stageSchema, stagesSchema } from './schemas.ts';

type StageRow = Pick<
  z.infer<typeof stageSchema>,
  'stage' | 'person_count' | 'reached_count' | 'stay_count' | 'median_seconds'
> & {
  model_name: string;
  model_version: number;
  as_of: string | null;
};

/** The stages of the site's model in order, with who stands in them, who ever came that far, and how long it takes. */
export async function stagesOf(pool: Pool, siteId: number): Promise<z.infer<typeof stagesSchema>> {
  const rows = await queryRows<StageRow>(pool, {
    name: 'api-stages',
    text: `with stages as (
        select stages.stage, stages.position, stages.model_name, stages.model_version
        from journey.stages
        where stages.site_id = $1
      ),
      standing as (
        select current_stages.stage, current_stages.furthest_stage, count(*) as person_count
        from journey.current_stages
        where current_stages.site_id = $1
        group by current_stages.stage, current_stages.furthest_stage
      ),
      reached as (
        select stages.position, sum(standing.person_count) as person_count
        from standing
        join stages on stages.stage = standing.furthest_stage
        group by stages.position
      ),
      stays as (
        select
          stage_transitions.from_stage as stage,
          count(*) as stay_count,
          percentile_cont(0.5) within group (order by stage_transitions.seconds_in_from_stage) as median_seconds
        from journey.stage_transitions
        where stage_transitions.site_id = $1
          and stage_transitions.from_stage is not null
        group by stage_transitions.from_stage
      )
      select
        stages.stage,
        stages.model_name,
        stages.model_version,
        (select sum(standing.person_count) from standing where standing.stage = stages.stage)::bigint as person_count,
        (select sum(reached.person_count) from reached where reached.position >= stages.position)::bigint as reached_count,
        stays.stay_count,
        stays.median_seconds,
        (select max(freshness.as_of) from journey.freshness where freshness.site_id = $1) as as_of
      from stages
      left join stays on stays.stage = stages.stage
      order by stages.position`,
    values: [siteId],
  });
  const [first] = rows;
  if (first === undefined) throw new Error(`site ${siteId} has no compiled journey model`);

  const personCount = rows.reduce((sum, row) => sum + (row.person_count ?? 0), 0);
  return {
    as_of: first.as_of,
    model: { name: first.model_name, version: first.model_version },
    person_count: personCount,
    stages: rows.map((row, index) => ({
      stage: row.stage,
      position: index + 1,
      person_count: row.person_count ?? 0,
      share: ratio(row.person_count ?? 0, personCount),
      reached_count: row.reached_count ?? 0,
      rate_from_previous: rate(rows[index - 1], row),
      rate_to_next: rate(row, rows[index + 1]),
      stay_count: row.stay_count ?? 0,
      median_seconds: row.median_seconds,
    })),
  };
}

/** Throws, naming the stages there are, unless the site's model has `stage`. */
export async function requireStage(pool: Pool, { siteId }: Access, stage: string): Promise<void> {
  const rows = await queryRows<{ stage: string }>(pool, {
    name: 'api-stage-names',
    text: 'select stages.stage from journey.stages where stages.site_id = $1 order by stages.position',
    values: [siteId],
  });
  const stages = rows.map((row) => row.stage);
  if (stages.includes(stage)) return;
  throw new Problem('unknown-stage', `The stages of this site are ${stages.join(', ')}.`);
}

/**
 * Who stands in a stage. Sorted by person: a person who stays is met exactly once by a reader who pages through, even
 * one who enters the stage anew (and so gets another `since`) meanwhile.
 */
export const stagePersonList: List = {
  name: 'stage-persons',
  columns: `current_stages.person_id, persons.user_id, current_stages.stage, current_stages.furthest_stage,
    current_stages.since, current_stages.journey_number, current_stages.is_customer, current_stages.customer_status,
    current_stages.orders as order_count, coalesce(current_stages.lapsed, false) as lapsed, current_stages.last_signal_at`,
  from: `journey.current_stages
    join journey.persons
      on persons.site_id = current_stages.site_id
      and persons.person_id = current_stages.person_id`,
  siteColumn: 'current_stages.site_id',
  key: [{ column: 'current_stages.person_id', type: 'uuid' }],
};

const rate = (from: { reached_count: number } | undefined, to: { reached_count: number } | undefined) =>
  from === undefined || to === undefined ? null : ratio(to.reached_count ?? 0, from.reached_count ?? 0);

const ratio = (part: number, whole: number) => (whole === 0 ? null : part / whole);
