import { finished } from 'node:stream/promises';
import type { ClientBase, QueryResult } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { touchpointColumns } from './copy.ts';
import { Counts, utcDayOf } from './counters.ts';
import { type Line, linesOf, sizeOf, writeLines } from './lines.ts';
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
  repeats?: readonly Pick<Line, 'siteId' | 'receivedAt'>[];
  /** Default `check`. */
  way?: Way;
  /** What else the transaction does, once it is known what became of the rows. */
  before?: (client: ClientBase, counts: StoreCounts) => Promise<void> | undefined;
};

/** What became of the rows and repeats; together they are all of them. */
export type StoreCounts = { stored: number; duplicates: number };

const columns = touchpointColumns.join(', ');
const copyToTable = `copy store.touchpoints (${columns}, batch_id) from stdin`;
const copyToStage = `copy pg_temp.touchpoint_stage (${columns}, batch_id) from stdin`;

// A table without defaults and keys: it is only a place to put lines. Their number of the batch is not used.
const createStage = `
create temp table if not exists touchpoint_stage on commit delete rows as
select ${columns}, batch_id from store.touchpoints where false`;

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
 * Stores touchpoints exactly once, within the caller's transaction (one call a transaction): those whose id is known
 * are only counted, the others are handed to derive as one batch a site. A repeat of the whole transaction changes
 * nothing.
 */
export function storeRows(
  client: ClientBase,
  rows: readonly TouchpointRow[],
  options: StoreOptions,
): Promise<StoreCounts> {
  return storeWithin(client, linesOf(rows), options, { begin: [], commit: [] });
}

/**
 * The same as a transaction of its own. It needs as few round trips as can be, for under load this process hears each
 * answer of PostgreSQL only after some milliseconds of requests.
 */
export function commitLines(
  client: ClientBase,
  lines: readonly Line[],
  options: StoreOptions,
): Promise<StoreCounts> {
  return storeWithin(client, lines, options, { begin: ['begin'], commit: ['commit'] });
}

/** What goes along with the first and the last round trip. */
type Ends = { begin: readonly string[]; commit: readonly string[] };

async function storeWithin(
  client: ClientBase,
  lines: readonly Line[],
  options: StoreOptions,
  { begin, commit }: Ends,
): Promise<StoreCounts> {
  const { rejects = [], repeats = [], losses = [], before } = options;
  const counts = new Counts();
  const last: string[] = [];
  let stored = 0;
  if (lines.length === 0) {
    if (begin.length > 0) await client.query(begin.join('; '));
  } else if (options.way === 'copy') {
    const batchId = await takeBatchId(client);
    await copy(client, [...begin, copyToTable], { lines, batchId });
    last.push(...batchStatements(lines, batchId, options), nextBatchId);
    countWorthless(lines, counts);
    stored = lines.length;
  } else {
    await copy(client, [...begin, createStage, copyToStage], { lines, batchId: '0' });
    stored = await insertStaged(client, lines, options, counts);
  }
  for (const { siteId, receivedAt } of repeats) counts.add(siteId, utcDayOf(receivedAt), 'duplicate', 1);
  for (const { siteId, receivedAt, reason, count } of losses) {
    counts.add(siteId, utcDayOf(receivedAt), `sdk_lost_${reason}`, count);
  }
  await storeRejected(client, rejects, counts);
  await before?.(client, { stored, duplicates: lines.length - stored + repeats.length });
  // Last, since every writer waits for these few rows.
  last.push(...counts.statements(), ...commit);
  if (last.length > 0) keepBatchId(client, await client.query(last.join('; ')));
  return { stored, duplicates: lines.length - stored + repeats.length };
}

/** Inserts those staged rows that are new, and answers how many. */
async function insertStaged(
  client: ClientBase,
  lines: readonly Line[],
  { lane, origin }: StoreOptions,
  counts: Counts,
): Promise<number> {
  const { rows: bySite } = await client.query<{ site_id: number; stored: number; worthless: number }>({
    name: 'milepost-store-rows',
    text: insertFromStage,
    values: [lane, origin, firstReceivedAt(lines)],
  });
  const unstored = new Map<number, number>();
  for (const { siteId } of lines) unstored.set(siteId, (unstored.get(siteId) ?? 0) + 1);
  const day = utcDayOf(lines[0]!.receivedAt);
  let stored = 0;
  for (const site of bySite) {
    stored += site.stored;
    unstored.set(site.site_id, unstored.get(site.site_id)! - site.stored);
    counts.add(site.site_id, day, 'worthless_id', site.worthless);
  }
  for (const [siteId, duplicates] of unstored) counts.add(siteId, day, 'duplicate', duplicates);
  return stored;
}

/** The statement that hands rows just copied to derive; none where all are of bots or the site's own people. */
function batchStatements(lines: readonly Line[], batchId: string, { lane, origin }: StoreOptions): string[] {
  const idsBySite = new Map<number, string[]>();
  for (const { siteId, touchpointId, isDerived } of lines) {
    if (!isDerived) continue;
    const ids = idsBySite.get(siteId);
    if (ids === undefined) idsBySite.set(siteId, [touchpointId]);
    else ids.push(touchpointId);
  }
  if (idsBySite.size === 0) return [];
  const first = firstReceivedAt(lines).toISOString();
  // Numbers and UUIDs need no quoting.
  const values = [...idsBySite].map(
    ([siteId, ids]) => `(${siteId}, ${batchId}, ${lane}, '${origin}', '${first}', '{${ids.join(',')}}')`,
  );
  return [
    `insert into store.batches (site_id, batch_id, lane, origin, received_at, touchpoint_ids) values ${values.join(', ')}`,
  ];
}

function countWorthless(lines: readonly Line[], counts: Counts): void {
  for (const { siteId, receivedAt, isWorthless } of lines) {
    if (isWorthless) counts.add(siteId, utcDayOf(receivedAt), 'worthless_id', 1);
  }
}

const nextBatchId = `select nextval(pg_get_serial_sequence('store.batches', 'batch_id')) as next_batch_id`;
/** The number of each connection's next batch: it came with the answer to its last transaction. */
const batchIds = new WeakMap<ClientBase, string>();

async function takeBatchId(client: ClientBase): Promise<string> {
  let batchId = batchIds.get(client);
  if (batchId === undefined) {
    keepBatchId(client, await client.query(nextBatchId));
    batchId = batchIds.get(client)!;
  }
  batchIds.delete(client);
  return batchId;
}

/** Several statements in one have several results; pg's types know only of one. */
function keepBatchId(client: ClientBase, answered: QueryResult | QueryResult[]): void {
  for (const { rows } of [answered].flat()) {
    const row = rows[0] as { next_batch_id?: string } | undefined;
    if (row?.next_batch_id !== undefined) batchIds.set(client, row.next_batch_id);
  }
}

/** When the first of some rows came: triggers wait until what came before they fall due is derived. */
function firstReceivedAt(lines: readonly Line[]): Date {
  return new Date(lines.reduce((first, { receivedAt }) => Math.min(first, receivedAt), Infinity));
}

// What is sent at a time is mostly of one size; a piece of memory serves again when PostgreSQL has taken what it held.
const spareSize = 2 * 1024 * 1024;
const spares: Buffer[] = [];

/** Copies lines; their text is made while PostgreSQL gets ready. */
async function copy(
  client: ClientBase,
  statements: readonly string[],
  { lines, batchId }: { lines: readonly Line[]; batchId: string },
): Promise<void> {
  const stream = client.query(copyFrom(statements.join('; ')));
  const copied = finished(stream);
  const size = sizeOf(lines);
  const memory =
    size <= spareSize ? (spares.pop() ?? Buffer.allocUnsafeSlow(spareSize)) : Buffer.allocUnsafe(size);
  writeLines(memory, lines, batchId);
  stream.end(memory.subarray(0, size));
  await copied; // of what fails, parts may still be on their way: then it does not serve again
  if (memory.length === spareSize) spares.push(memory);
}
