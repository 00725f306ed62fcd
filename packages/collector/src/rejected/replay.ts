import type { ClientBase, Pool } from 'pg';

import { Refusal } from '../refusal.ts';
import { remedyFor } from '../write/failures.ts';
import { storeRows } from '../write/store.ts';
import { storable } from '../write/text.ts';
import type { Came } from './came.ts';
import { type Judged, type Replayed, type Rules, judgedAgain } from './judged.ts';

/** Which rejected events: those with these ids, or all that match and are not stored by now. */
export type Selection =
  | { ids: readonly string[] }
  | { reason?: string | undefined; since?: string | undefined; until?: string | undefined };

/** What a replay came to; together they are all that were replayed. */
export type ReplayCounts = { replayed: number; stored: number; duplicates: number; rejected: number };

type Found = Replayed & { reason: string };
type Result = {
  found: Found;
  result: 'stored' | 'duplicate' | 'rejected';
  why: string | null;
  touchpointId: string | null;
};

const atOnce = 200;

/**
 * Judges rejected events again and stores those that are fit now, each exactly once however often it is replayed: it
 * keeps its id and its times. `repaired` replaces what some of them say. As with imports no trigger is armed.
 */
export async function replay(
  pool: Pool,
  siteId: number,
  { selection, repaired = new Map() }: { selection: Selection; repaired?: ReadonlyMap<string, string> },
): Promise<ReplayCounts> {
  const rules = await rulesOf(pool, siteId);
  const counts: ReplayCounts = { replayed: 0, stored: 0, duplicates: 0, rejected: 0 };
  let after: Position = { receivedAt: '-infinity', rejectedId: '00000000-0000-0000-0000-000000000000' };
  for (;;) {
    const { rows, last } = await foundAfter(pool, { siteId, selection, after });
    if (last === undefined) return counts;
    after = last;
    const judged = rows.map((row) => {
      const found = { ...row, event: repaired.get(row.rejectedId) ?? row.event };
      return { found, judged: judgedAgain(found, rules) };
    });
    for (const { result } of await storeJudged(pool, siteId, judged)) {
      counts.replayed += 1;
      counts[result === 'duplicate' ? 'duplicates' : result] += 1;
    }
  }
}

type ToStore = { found: Found; judged: Judged };

/** Stores some in one transaction; one that PostgreSQL refuses is found by halving and stays a reject. */
async function storeJudged(pool: Pool, siteId: number, events: readonly ToStore[]): Promise<Result[]> {
  try {
    return await commit(pool, siteId, events);
  } catch (error) {
    if (remedyFor(error, 'check') !== 'bisect') throw error;
    const [only] = events;
    if (only === undefined) throw error;
    if (events.length === 1) {
      if (!only.judged.ok) throw error;
      const why = `unstorable: ${error instanceof Error ? error.message : String(error)}`;
      return commit(pool, siteId, [{ ...only, judged: { ok: false, why } }]);
    }
    const middle = events.length >> 1;
    const first = await storeJudged(pool, siteId, events.slice(0, middle));
    return [...first, ...(await storeJudged(pool, siteId, events.slice(middle)))];
  }
}

async function commit(pool: Pool, siteId: number, events: readonly ToStore[]): Promise<Result[]> {
  const client = await pool.connect();
  let failure: unknown;
  try {
    await client.query('begin');
    const known = await knownOf(client, siteId, events);
    const rows = events.flatMap(({ judged }) => (judged.ok ? [judged.row] : []));
    await storeRows(client, rows, { origin: 'import', lane: 0 });
    const results = events.map(({ found, judged }): Result => {
      if (!judged.ok) return { found, result: 'rejected', why: judged.why, touchpointId: null };
      const { touchpointId } = judged.row;
      const result = known.has(touchpointId) ? 'duplicate' : 'stored';
      known.add(touchpointId); // another in this selection may bear the same id
      return { found, result, why: null, touchpointId };
    });
    await client.query(
      `update store.rejected_events
       set replayed_at = now(), replay_result = results.result, replay_detail = results.why,
         touchpoint_id = results.touchpoint_id
       from unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[]) as results (rejected_id, result, why, touchpoint_id)
       where rejected_events.site_id = $1 and rejected_events.rejected_id = results.rejected_id`,
      [
        siteId,
        results.map(({ found }) => found.rejectedId),
        results.map(({ result }) => result),
        results.map(({ why }) => (why === null ? null : storable(why))),
        results.map(({ touchpointId }) => touchpointId),
      ],
    );
    await client.query('commit');
    return results;
  } catch (error) {
    failure = error;
    await client.query('rollback').catch(() => undefined); // the first error is the one to tell
    throw error;
  } finally {
    client.release(failure !== undefined && remedyFor(failure, 'check') === 'retry');
  }
}

/** Which of the touchpoints are stored already. */
async function knownOf(client: ClientBase, siteId: number, events: readonly ToStore[]): Promise<Set<string>> {
  const ids = events.flatMap(({ judged }) => (judged.ok ? [judged.row.touchpointId] : []));
  const { rows } = await client.query<{ touchpoint_id: string }>(
    'select touchpoint_id from store.touchpoints where site_id = $1 and touchpoint_id = any ($2::uuid[])',
    [siteId, ids],
  );
  return new Set(rows.map(({ touchpoint_id: id }) => id));
}

type Position = { receivedAt: string; rejectedId: string };

async function foundAfter(
  pool: Pool,
  { siteId, selection, after }: { siteId: number; selection: Selection; after: Position },
): Promise<{ rows: Found[]; last: Position | undefined }> {
  const byIds = 'ids' in selection;
  const { rows } = await pool.query<{
    rejected_id: string;
    position: string;
    received_ms: string;
    reason: string;
    event: string | null;
    came: string | null;
    ingested_by: string;
  }>(
    `select rejected_id, received_at::text as position, extract(epoch from received_at) * 1000 as received_ms, reason,
       event, came, ingested_by
     from store.rejected_events
     where site_id = $1 and (received_at, rejected_id) > ($2::timestamptz, $3::uuid)
       and ($4::uuid[] is null or rejected_id = any ($4::uuid[]))
       and ($5::text is null or reason = $5)
       and ($6::timestamptz is null or received_at >= $6)
       and ($7::timestamptz is null or received_at < $7)
       and ($4::uuid[] is not null or replay_result is null or replay_result = 'rejected')
     order by received_at, rejected_id
     limit ${atOnce}`,
    [
      siteId,
      after.receivedAt,
      after.rejectedId,
      byIds ? selection.ids : null,
      byIds ? null : selection.reason,
      byIds ? null : selection.since,
      byIds ? null : selection.until,
    ],
  );
  const last = rows.at(-1);
  return {
    rows: rows.map((row) => ({
      siteId,
      rejectedId: row.rejected_id,
      receivedAt: Math.round(Number(row.received_ms)),
      reason: row.reason,
      ingestedBy: row.ingested_by,
      came: row.came === null ? null : (JSON.parse(row.came) as Came),
      event: row.event ?? '',
    })),
    last: last && { receivedAt: last.position, rejectedId: last.rejected_id },
  };
}

async function rulesOf(pool: Pool, siteId: number): Promise<Rules> {
  const { rows } = await pool.query<{
    consent_required: boolean;
    longest_age: string;
    retained_from: string;
    worthless_ids: string[];
  }>(
    `select consent_required, worthless_ids, extract(epoch from oldest_live_touchpoint) * 1000 as longest_age,
       extract(epoch from retained_from) * 1000 as retained_from
     from store.sites where site_id = $1`,
    [siteId],
  );
  const [site] = rows;
  if (site === undefined) throw new Refusal(`there is no site ${siteId}; milepost site list shows them.`);
  return {
    consentRequired: site.consent_required,
    longestAgeMs: Number(site.longest_age),
    retainedFrom: Number(site.retained_from),
    worthlessIds: site.worthless_ids.length > 0 ? site.worthless_ids : undefined,
  };
}
