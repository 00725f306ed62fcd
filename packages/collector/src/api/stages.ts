import type { Pool } from 'pg';
import type { z } from 'zod';
import { Problem } from '../problems.ts';
import type { Access } from './access.ts';
import type { List } from './page.ts';
import { queryRows } from './rows.ts';
import type { stagesSchema } from './schemas.ts';
import { shared } from './share.ts';

type StandingRow = {
  stage: string;
  model_name: string;
  model_version: number;
  person_count: number;
  reached_count: number;
  as_of: string | null;
};
type StayRow = { stage: string; stay_count: number; median_seconds: number };

/** Answers all stages of a site. Both questions look at every person, so their answers are shared for a while. */
export function stagesReader(pool: Pool): (siteId: number) => Promise<z.infer<typeof stagesSchema>> {
  const standing = shared((siteId) => standingOf(pool, siteId));
  const stays = shared((siteId) => staysOf(pool, siteId));
  return async (siteId) => {
    const [standingRows, stayRows] = await Promise.all([standing(siteId), stays(siteId)]);
    return stagesOf(standingRows, stayRows);
  };
}

/** The stages in order with who stands in them and who ever came that far. */
function standingOf(pool: Pool, siteId: number): Promise<StandingRow[]> {
  return queryRows<StandingRow>(pool, {
    text: `with standing as (
        select current_stages.stage, current_stages.furthest_stage, count(*) as person_count
        from journey.current_stages
        where current_stages.site_id = $1
        group by current_stages.stage, current_stages.furthest_stage
      ),
      furthest as (
        select stages.position, standing.person_count
        from standing
        join journey.stages
          on stages.site_id = $1
          and stages.stage = standing.furthest_stage
      )
      select
        stages.stage,
        stages.model_name,
        stages.model_version,
        coalesce((
          select sum(standing.person_count) from standing where standing.stage = stages.stage
        ), 0)::bigint as person_count,
        coalesce((
          select sum(furthest.person_count) from furthest where furthest.position >= stages.position
        ), 0)::bigint as reached_count,
        (select max(freshness.as_of) from journey.freshness where freshness.site_id = $1) as as_of
      from journey.stages
      where stages.site_id = $1
      order by stages.position`,
    values: [siteId],
  });
}

/** How often each stage was left, and after how long. */
function staysOf(pool: Pool, siteId: number): Promise<StayRow[]> {
  return queryRows<StayRow>(pool, {
    text: `select
        stage_transitions.from_stage as stage,
        count(*) as stay_count,
        percentile_cont(0.5) within group (order by stage_transitions.seconds_in_from_stage) as median_seconds
      from journey.stage_transitions
      where stage_transitions.site_id = $1
        and stage_transitions.from_stage is not null
      group by stage_transitions.from_stage`,
    values: [siteId],
  });
}

function stagesOf(standing: StandingRow[], stays: StayRow[]): z.infer<typeof stagesSchema> {
  const [first] = standing;
  if (first === undefined) throw new Error('the site has no compiled journey model');
  const personCount = standing.reduce((sum, row) => sum + row.person_count, 0);
  return {
    as_of: first.as_of,
    model: { name: first.model_name, version: first.model_version },
    person_count: personCount,
    stages: standing.map((row, index) => {
      const previous = standing[index - 1];
      const next = standing[index + 1];
      const stay = stays.find(({ stage }) => stage === row.stage);
      return {
        stage: row.stage,
        position: index + 1,
        person_count: row.person_count,
        share: ratio(row.person_count, personCount),
        reached_count: row.reached_count,
        rate_from_previous: previous === undefined ? null : ratio(row.reached_count, previous.reached_count),
        rate_to_next: next === undefined ? null : ratio(next.reached_count, row.reached_count),
        stay_count: stay?.stay_count ?? 0,
        median_seconds: stay?.median_seconds ?? null,
      };
    }),
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

const ratio = (part: number, whole: number) => (whole === 0 ? null : part / whole);
