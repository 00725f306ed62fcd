import { benchBatches } from '@milepost/collector/simulate/bench';
import { prepare } from '@milepost/collector/write/prepare';
import type { TouchpointRow } from '@milepost/collector/write/row';
import { storeRows } from '@milepost/collector/write/store';
import type pg from 'pg';

import type { BenchSite } from './stand.ts';

/** Rows of one site as the writer stores them. */
export function rowsOf(siteId: number, events: readonly string[]): TouchpointRow[] {
  const envelope = { siteId, receivedAt: Date.now(), isTrusted: true, ingestedBy: 'events' as const };
  const { rows, rejects } = prepare({ envelope, body: Buffer.from(`{"batch":[${events.join(',')}]}`) });
  if (rejects.length > 0) throw new Error(`rejected: ${rejects[0]?.detail}`);
  return rows;
}

/** Stores rows in one commit, as the writer does. */
export async function storeTogether(pool: pg.Pool, rows: TouchpointRow[]): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await storeRows(client, rows, { origin: 'live', lane: 0 });
    await client.query('commit');
  } finally {
    client.release();
  }
}

/** The bench profile without its resends, in pieces of about `size` touchpoints. */
export function* piecesOf(
  sites: readonly BenchSite[],
  options: { seed: number; touchpoints: number; startMs: number },
  size: number,
): Generator<TouchpointRow[]> {
  let rows: TouchpointRow[] = [];
  for (const { site, events, isResend } of benchBatches(options)) {
    if (isResend) continue;
    rows.push(...rowsOf(sites[site]?.siteId ?? 0, events));
    if (rows.length < size) continue;
    yield rows;
    rows = [];
  }
  if (rows.length > 0) yield rows;
}
