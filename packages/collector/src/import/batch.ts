import type pg from 'pg';

import { remedyFor } from '../write/failures.ts';
import { refusedRow } from '../write/prepare.ts';
import type { TouchpointRow } from '../write/row.ts';
import { storeRows, type Way } from '../write/store.ts';
import { type ImportRecord, saveRecord } from './progress-record.ts';
import type { Reject } from './rejects.ts';

/** What some lines came to, and the number of the last of them. */
export type Batch = { rows: TouchpointRow[]; rejects: Reject[]; lastLine: number };

type BatchOptions = {
  siteId: number;
  recordHash: Buffer;
  record: ImportRecord;
  batch: Batch;
  isFinished: boolean;
  /** `copy` is tried first while nothing speaks for rows that are stored already. */
  way: Way;
};

/**
 * Stores a batch and how far the import is, in one transaction, and counts it into `record`. A row that PostgreSQL
 * refuses is found by halving and becomes a reject. Resolves to all rejects of the batch.
 */
export async function storeBatch(pool: pg.Pool, options: BatchOptions): Promise<Reject[]> {
  const { batch, record, isFinished } = options;
  try {
    const next = await commit(pool, options);
    Object.assign(record, next);
    return batch.rejects;
  } catch (error) {
    const remedy = remedyFor(error, options.way);
    if (remedy === 'check') return storeBatch(pool, { ...options, way: 'check' });
    if (remedy !== 'bisect' || batch.rows.length === 0) throw error;
    if (batch.rows.length === 1) {
      const [row] = batch.rows;
      if (row === undefined) throw error;
      const { reason, detail, event } = refusedRow(row, error);
      const reject: Reject = { line: row.sequence, reason, detail: detail ?? '', event };
      return storeBatch(pool, {
        ...options,
        batch: { ...batch, rows: [], rejects: [...batch.rejects, reject] },
      });
    }
    const middle = batch.rows.length >> 1;
    // The line reached is written with the second half alone: a stop in between repeats the first, which its ids bear.
    const first = { rows: batch.rows.slice(0, middle), rejects: batch.rejects, lastLine: record.linesDone };
    const second = { rows: batch.rows.slice(middle), rejects: [], lastLine: batch.lastLine };
    const refusedFirst = await storeBatch(pool, { ...options, batch: first, isFinished: false });
    const refusedSecond = await storeBatch(pool, { ...options, batch: second, isFinished });
    return [...refusedFirst, ...refusedSecond];
  }
}

async function commit(pool: pg.Pool, options: BatchOptions): Promise<ImportRecord> {
  const { siteId, recordHash, record, batch, isFinished, way } = options;
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('begin');
    const receivedAt = record.startedAt;
    const rejects = batch.rejects.map(({ line, ...reject }) => ({
      ...reject,
      siteId,
      receivedAt,
      ingestedBy: 'import',
      index: line,
    }));
    const { stored, duplicates } = await storeRows(client, batch.rows, {
      origin: 'import',
      lane: 0,
      rejects,
      way,
    });
    const next: ImportRecord = {
      startedAt: record.startedAt,
      linesDone: batch.lastLine,
      stored: record.stored + stored,
      duplicates: record.duplicates + duplicates,
      rejected: record.rejected + batch.rejects.length,
    };
    await saveRecord(client, { siteId, hash: recordHash, record: next, isFinished });
    await client.query('commit');
    return next;
  } catch (error) {
    failure = error as Error;
    await client.query('rollback').catch(() => undefined); // the first error is the one to tell
    throw error;
  } finally {
    client.release(failure !== undefined && remedyFor(failure, way) === 'retry');
  }
}
