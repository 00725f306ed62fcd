import { once } from 'node:events';
import { finished } from 'node:stream/promises';

import { type BenchOptions, benchBatches } from '@milepost/collector/simulate/bench';
import { lineOf, touchpointColumns } from '@milepost/collector/write/copy';
import { rowOf, sharedFactsOf } from '@milepost/collector/write/row';
import type { Touchpoint } from '@milepost/shared';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

import { cpuMicroseconds } from './machine.ts';
import type { Stand } from './stand.ts';

/** The limit every figure is a share of: rows a second of a bare COPY, and what it costs PostgreSQL. */
export type CopyRun = { rowsPerSecond: number; cpuUsPerRow: number | null };

const chunkLines = 500;
const columns = [...touchpointColumns, 'batch_id'].join(', ');

/**
 * The rows of the load exactly as `store.touchpoints` holds them, as COPY's text format: made by the writer's own
 * functions from the same touchpoints.
 */
export function* copyChunks(stand: Stand, options: BenchOptions): Generator<Buffer> {
  const receivedAt = Date.now();
  let lines: string[] = [];
  for (const { site, events, isResend } of benchBatches(options)) {
    if (isResend) continue;
    const siteId = stand.sites[site]?.siteId ?? 0;
    const envelope = { siteId, receivedAt, isTrusted: false, ingestedBy: 'events' };
    const shared = sharedFactsOf({ sent_at: receivedAt }, envelope);
    for (const event of events) {
      lines.push(lineOf(rowOf(JSON.parse(event) as Touchpoint, envelope, shared), '1'));
    }
    if (lines.length < chunkLines) continue;
    yield Buffer.from(lines.join(''));
    lines = [];
  }
  if (lines.length > 0) yield Buffer.from(lines.join(''));
}

/** Copies the rows into an empty twin of `store.touchpoints`: same columns, partitions, keys and indexes. */
export async function measureCopy(stand: Stand, chunks: readonly Buffer[], rows: number): Promise<CopyRun> {
  const client = new pg.Client({ connectionString: stand.url });
  await client.connect();
  try {
    await makeTwin(client);
    await client.query('checkpoint');
    const cpuBefore = cpuMicroseconds(stand.postgresPid, { children: true });
    const startedAt = performance.now();
    await copyInto(client, 'twin.touchpoints', chunks);
    const seconds = (performance.now() - startedAt) / 1_000;
    // Read while the backend lives: one that has just ended is for a moment counted nowhere.
    const cpuAfter = cpuMicroseconds(stand.postgresPid, { children: true });
    await client.query('drop schema twin cascade');
    const cpuUsPerRow = cpuBefore === null || cpuAfter === null ? null : (cpuAfter - cpuBefore) / rows;
    return { rowsPerSecond: rows / seconds, cpuUsPerRow };
  } finally {
    await client.end();
  }
}

/** Writes chunks of COPY text into a table with the columns of `store.touchpoints`. */
export async function copyInto(client: pg.Client, table: string, chunks: Iterable<Buffer>): Promise<void> {
  const stream = client.query(copyFrom(`copy ${table} (${columns}) from stdin`));
  for (const chunk of chunks) {
    if (!stream.write(chunk)) await once(stream, 'drain');
  }
  stream.end();
  await finished(stream);
}

/** An empty twin of `store.touchpoints` in schema `twin`. */
export async function makeTwin(client: pg.Client): Promise<void> {
  await client.query(`
    drop schema if exists twin cascade;
    create schema twin;
    create table twin.touchpoints (like store.touchpoints including all) partition by range (touchpoint_id);
  `);
  const { rows } = await client.query<{ name: string; bound: string }>(`
    select partitions.relname as name, pg_get_expr(partitions.relpartbound, partitions.oid) as bound
    from pg_inherits
    join pg_class as partitions on partitions.oid = pg_inherits.inhrelid
    where pg_inherits.inhparent = 'store.touchpoints'::regclass
  `);
  for (const { name, bound } of rows) {
    await client.query(`create table twin.${name} partition of twin.touchpoints ${bound}`);
  }
}
