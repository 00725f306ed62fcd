import { finished } from 'node:stream/promises';
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { encodeRows, touchpointColumns } from './copy.ts';
import { Counts, utcDayOf } from './counters.ts';
import type { Loss } from './prepare.ts';
import { type Reject, storeRejected } from './rejects.ts';
import type { TouchpointRow } from './row.ts';

/**
 * `check` copies to a stage and inserts the ids that are new. `copy` copies straight into the table, for a third less
 * work; a row whose id is known then fails the transaction (`23505`).
 */
export type Way = 'check' | 'copy';

export type StoreOptions = {
  /** Whose touchpoints they are: `live` ones may arm triggers, imported ones never do. */
  origin: 'live' | 'import';
  /** Which of several writers in one process; touchpoints of one identity always take the same. */
  lane: number;
  /** What was not accepted beside the rows; kept and counted in the same transaction. */
  rejects?: readonly Reject[];
  /** What the SDK says it lost; counted. */
  losses?: readonly Loss[];
  /** Rows whose ids are stored already, as the caller knows; they are only counted. */
  repeats?: readonly TouchpointRow[];
  /** Default `check`. */
  way?: Way;
};

/** What became of the rows and repeats; together they are all of them. */
export type StoreCounts = { stored: number; duplicates: number };

const columns = touchpointColumns.join(', ');
const copyToTable = `copy store.touchpoints (${columns}, batch_id) from stdin`;
const copyToStage = `copy pg_temp.touchpoint_stage (${columns}) from stdin`;

// A table without defaults and keys: it is only a place to put lines.
const createStage = `
create temp table if not exists touchpoint_stage on commit delete rows as
select ${columns} from store.touchpoints where false`;

// One statement, so that touchpoints and the batch that hands them to derive are there together or not at all.
const insertFromStage = `
with next_batch as materialized (
  select nextval(pg_get_serial_sequence('store.batches', 'batch_id')) as batch_id
),
new_rows as (
  insert into store.touchpoints (${columns}, batch_id)
  select ${touchpointColumns.map((column) => `touchpoint_stage.${column}`).join(', ')}, next_batch.batch_id
  from pg_temp.touchpoint_stage
  cross join next_batch
  on conflict (site_id, touchpoint_id) do nothing
  returning site_id, touchpoint_id, batch_id, bot_reason, internal_reason, flags
),
new_batch as (
  insert into store.batches (site_id, batch_id, lane, origin, received_at, touchpoint_ids)
  select new_rows.site_id, new_rows.batch_id, $1, $2, $3, array_agg(new_rows.touchpoint_id)
  from new_rows
  where new_rows.bot_reason is null and new_rows.internal_reason is null
  group by new_rows.site_id, new_rows.batch_id
)
select
  new_rows.site_id,
  count(*)::integer as stored,
  (count(*) filter (where 'worthless_id' = any (new_rows.flags)))::integer as worthless
from new_rows
group by new_rows.site_id`;

/**
 * Stores rows exactly once, within the caller's transaction (one call a transaction): those whose id is known are
 * only counted, the others are handed to derive as one batch a site. A repeat of the whole transaction changes nothing.
 */
export async function storeRows(
  client: ClientBase,
  rows: readonly TouchpointRow[],
  options: StoreOptions,
): Promise<StoreCounts> {
  const { rejects = [], repeats = [], losses = [] } = options;
  const counts = new Counts();
  let stored = 0;
  if (rows.length > 0) {
    stored = await (options.way === 'copy' ? copyRows : insertRows)(client, rows, options, counts);
  }
  for (const { siteId, receivedAt } of repeats) counts.add(siteId, utcDayOf(receivedAt), 'duplicate', 1);
  for (const { siteId, receivedAt, reason, count } of losses) {
    counts.add(siteId, utcDayOf(receivedAt), `sdk_lost_${reason}`, count);
  }
  await storeRejected(client, rejects, counts);
  // Last, since every writer waits for these few rows.
  await counts.store(client);
  return { stored, duplicates: rows.length - stored + repeats.length };
}

/** Stores those rows that are new, and answers how many. */
async function insertRows(
  client: ClientBase,
  rows: readonly TouchpointRow[],
  { lane, origin }: StoreOptions,
  counts: Counts,
): Promise<number> {
  await client.query(createStage);
  await copy(client, copyToStage, encodeRows(rows));
  const { rows: bySite } = await client.query<{ site_id: number; stored: number; worthless: number }>({
    name: 'milepost-store-rows',
    text: insertFromStage,
    values: [lane, origin, firstReceivedAt(rows)],
  });
  const unstored = new Map<number, number>();
  for (const { siteId } of rows) unstored.set(siteId, (unstored.get(siteId) ?? 0) + 1);
  const day = utcDayOf(rows[0]!.receivedAt);
  let stored = 0;
  for (const site of bySite) {
    stored += site.stored;
    unstored.set(site.site_id, unstored.get(site.site_id)! - site.stored);
    counts.add(site.site_id, day, 'worthless_id', site.worthless);
  }
  for (const [siteId, duplicates] of unstored) counts.add(siteId, day, 'duplicate', duplicates);
  return stored;
}

/** Stores rows that are all new, and answers how many. */
async function copyRows(
  client: ClientBase,
  rows: readonly TouchpointRow[],
  { lane, origin }: StoreOptions,
  counts: Counts,
): Promise<number> {
  const { rows: next } = await client.query<{ batch_id: string }>(
    `select nextval(pg_get_serial_sequence('store.batches', 'batch_id')) as batch_id`,
  );
  const batchId = next[0]!.batch_id;
  await copy(client, copyToTable, encodeRows(rows, `\t${batchId}`));
  const derived = rows.filter(
    ({ botReason, internalReason }) => botReason === null && internalReason === null,
  );
  if (derived.length > 0) {
    await client.query({
      name: 'milepost-store-batch',
      text: `insert into store.batches (site_id, batch_id, lane, origin, received_at, touchpoint_ids)
        select stored.site_id, $1, $2, $3, $4, array_agg(stored.touchpoint_id)
        from unnest($5::integer[], $6::uuid[]) as stored (site_id, touchpoint_id)
        group by stored.site_id`,
      values: [
        batchId,
        lane,
        origin,
        firstReceivedAt(rows),
        arrayOf(derived, 'siteId'),
        arrayOf(derived, 'touchpointId'),
      ],
    });
  }
  for (const { siteId, receivedAt, flags } of rows) {
    if (flags?.includes('worthless_id')) counts.add(siteId, utcDayOf(receivedAt), 'worthless_id', 1);
  }
  return rows.length;
}

/** When the first of some rows came: triggers wait until what came before they fall due is derived. */
function firstReceivedAt(rows: readonly TouchpointRow[]): Date {
  return new Date(rows.reduce((first, { receivedAt }) => Math.min(first, receivedAt), Infinity));
}

/** An array's text; numbers and UUIDs need no quotes, and the driver would look at each. */
function arrayOf(rows: readonly TouchpointRow[], key: 'siteId' | 'touchpointId'): string {
  return `{${rows.map((row) => row[key]).join(',')}}`;
}

async function copy(client: ClientBase, statement: string, lines: Buffer): Promise<void> {
  const stream = client.query(copyFrom(statement));
  stream.end(lines);
  await finished(stream);
}
