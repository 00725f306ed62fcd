import type { Pool } from 'pg';
import type { z } from 'zod';
import { Problem } from '../problems.ts';
import type { Access } from './access.ts';
import type { List } from './page.ts';
import { queryRows } from './rows.ts';
import type { stagesSchema } from './schemas.ts';
import { shared } from './share.ts';

type StageRow = {
  stage: string;
  position: number;
  model_name: string;
  model_version: number;
  person_count: number;
  reached_count: number;
  stay_count: number;
  median_seconds: number | null;
  as_of: string | null;
};

/** Answers all stages of a site. */
export function stagesReader(pool: Pool): (siteId: number) => Promise<z.infer<typeof stagesSchema>> {
  return shared(async (siteId) => stagesOf(await stageRowsOf(pool, siteId)));
}

/** The stages in order with who stands in them, who ever came that far, and how long they stayed. */
function stageRowsOf(pool: Pool, siteId: number): Promise<StageRow[]> {
  return queryRows<StageRow>(pool, {
    name: 'api-stages',
    text: `select
        funnel_stages.stage,
        funnel_stages.position,
        stages.model_name,
        stages.model_version,
        funnel_stages.standing as person_count,
        funnel_stages.reached as reached_count,
        funnel_stages.left_count as stay_count,
        funnel_stages.median_seconds,
        (select max(freshness.as_of) from journey.freshness where freshness.site_id = $1) as as_of
      from journey.funnel_stages
      join journey.stages
        on stages.site_id = funnel_stages.site_id
        and stages.position = funnel_stages.position
      where funnel_stages.site_id = $1
      order by funnel_stages.position`,
    values: [siteId],
  });
}

function stagesOf(rows: StageRow[]): z.infer<typeof stagesSchema> {
  const [first] = rows;
  if (first === undefined) throw new Error('the site has no compiled journey model');
  const personCount = rows.reduce((sum, row) => sum + row.person_count, 0);
  return {
    as_of: first.as_of,
    model: { name: first.model_name, version: first.model_version },
    person_count: personCount,
    stages: rows.map((row, index) => {
      const previous = rows[index - 1];
      const next = rows[index + 1];
      return {
        stage: row.stage,
        position: row.position,
        person_count: row.person_count,
        share: ratio(row.person_count, personCount),
        reached_count: row.reached_count,
        rate_from_previous: previous === undefined ? null : ratio(row.reached_count, previous.reached_count),
        rate_to_next: next === undefined ? null : ratio(next.reached_count, row.reached_count),
        stay_count: row.stay_count,
        median_seconds: row.median_seconds,
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
    current_stages.orders as order_count, current_stages.is_fully_refunded, coalesce(current_stages.lapsed, false) as lapsed, current_stages.last_signal_at`,
  from: `journey.current_stages
    join journey.persons
      on persons.site_id = current_stages.site_id
      and persons.person_id = current_stages.person_id`,
  siteColumn: 'current_stages.site_id',
  key: [{ column: 'current_stages.person_id', type: 'uuid' }],
};

const ratio = (part: number, whole: number) => (whole === 0 ? null : part / whole);
