import type { Pool } from 'pg';

/** A touchpoint as the live list shows it. What derivation has not said yet is null. */
export type LiveTouchpoint = {
  touchpoint_id: string;
  name: string;
  type: string;
  source: string;
  occurred_at: Date;
  received_at: Date;
  path: string | null;
  item: string | null;
  item_count: number | null;
  value: string | null;
  currency: string | null;
  term: string | null;
  rating: string | null;
  score: string | null;
  person_id: string | null;
  user_id: string | null;
  channel: string | null;
  is_bot: boolean;
  is_internal: boolean;
  from_stage: string | null;
  to_stage: string | null;
};

/** How many touchpoints the live list holds. */
export const listLength = 50;

type Stored = Omit<
  LiveTouchpoint,
  'person_id' | 'user_id' | 'channel' | 'is_bot' | 'is_internal' | 'from_stage' | 'to_stage'
>;
type Derived = Pick<LiveTouchpoint, 'person_id' | 'user_id' | 'channel' | 'is_bot' | 'is_internal'> & {
  touchpoint_id: string;
};
type Move = { touchpoint_id: string; from_stage: string | null; to_stage: string };

/**
 * The touchpoints received last, newest first. `since` is the `received_at` of the last row of the answer before:
 * nothing older can come among the newest again, so at any load and any size the query reads little more than it shows.
 */
export async function newestTouchpoints(
  pool: Pool,
  { siteId, since }: { siteId: number; since: Date | undefined },
): Promise<LiveTouchpoint[]> {
  const stored = await newestStored(pool, siteId, since);
  if (stored.length === 0) return [];
  const ids = stored.map(({ touchpoint_id }) => touchpoint_id);
  const derived = await pool.query<Derived>(derivedQuery, [siteId, ids]);
  const persons = derived.rows.flatMap(({ person_id }) => person_id ?? []);
  const moves = await pool.query<Move>(movesQuery, [siteId, ids, persons]);

  const derivedOf = new Map(derived.rows.map((row) => [row.touchpoint_id, row]));
  const moveOf = new Map(moves.rows.map((row) => [row.touchpoint_id, row]));
  return stored.map((row) => ({
    ...row,
    ...(derivedOf.get(row.touchpoint_id) ?? nothingYet),
    from_stage: moveOf.get(row.touchpoint_id)?.from_stage ?? null,
    to_stage: moveOf.get(row.touchpoint_id)?.to_stage ?? null,
  }));
}

const nothingYet = { person_id: null, user_id: null, channel: null, is_bot: false, is_internal: false };

/** The first time nothing is known, so the window widens until it holds enough; each step reads an index by time. */
async function newestStored(pool: Pool, siteId: number, since: Date | undefined): Promise<Stored[]> {
  const minute = 60_000;
  const windows = [minute, 60 * minute, 24 * 60 * minute, 30 * 24 * 60 * minute];
  const starts = since ? [since] : [...windows.map((window) => new Date(Date.now() - window)), new Date(0)];
  let rows: Stored[] = [];
  for (const start of starts) {
    ({ rows } = await pool.query<Stored>(storedQuery, [siteId, start, listLength]));
    if (rows.length === listLength) break;
  }
  return rows;
}

// Properties are whatever the page sent, so each is looked at only if it is of the type it should be.
const storedQuery = `
  with newest_touchpoints as (
    select touchpoint_id, name, type, source, occurred_at, received_at, properties, context
    from store.touchpoints
    where site_id = $1 and received_at >= $2
    order by received_at desc, touchpoint_id desc
    limit $3
  )

  select
    touchpoint_id,
    name,
    type,
    source,
    occurred_at,
    received_at,
    left(context #>> '{page,path}', 200) as path,
    left(coalesce(items #>> '{0,item_name}', items #>> '{0,name}'), 100) as item,
    case when jsonb_typeof(items) = 'array' then jsonb_array_length(items) end as item_count,
    left(coalesce(properties ->> 'value', properties ->> 'revenue'), 20) as value,
    left(properties ->> 'currency', 3) as currency,
    left(coalesce(properties ->> 'search_term', properties ->> 'query'), 60) as term,
    left(properties ->> 'rating', 5) as rating,
    left(properties ->> 'score', 5) as score
  from newest_touchpoints
  cross join lateral (select coalesce(properties -> 'items', properties -> 'products') as items) as lines
  order by received_at desc, touchpoint_id desc`;

const derivedQuery = `
  select
    touchpoints.touchpoint_id,
    touchpoints.person_id,
    persons.user_id,
    touchpoints.channel,
    touchpoints.is_bot,
    touchpoints.is_internal
  from journey.touchpoints
  left join journey.persons
    on persons.site_id = touchpoints.site_id
    and persons.person_id = touchpoints.person_id
  where touchpoints.site_id = $1 and touchpoints.touchpoint_id = any ($2::uuid[])`;

const movesQuery = `
  select touchpoint_id, from_stage, to_stage
  from journey.stage_transitions
  where site_id = $1 and touchpoint_id = any ($2::uuid[]) and person_id = any ($3::uuid[])
    and from_stage is distinct from to_stage`;
