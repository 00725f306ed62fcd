import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';
import type { Logger } from 'pino';
import { backoffMs, remedyFor } from './failures.ts';
import { refusedRow } from './prepare.ts';
import type { Reject } from './rejects.ts';
import type { TouchpointRow } from './row.ts';
import { type StoreCounts, storeRows } from './store.ts';

/** What one commit of the writer did. */
export type Commit = StoreCounts & { rejected: number; seconds: number };

/** Rows and rejects that are stored together. */
export type Load = { rows: readonly TouchpointRow[]; rejects: readonly Reject[] };

export type CommitterOptions = {
  pool: Pool;
  log: Pick<Logger, 'warn' | 'error'>;
  /** Ends the waiting for a PostgreSQL that does not come back. */
  signal: AbortSignal;
  onFailure: (error: unknown) => void;
};

/** Stores loads whatever happens: waits while PostgreSQL is away, and sets aside the row that it refuses. */
export class Committer {
  readonly #options: CommitterOptions;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** Resolves when everything is committed; rejects only if the signal aborts while PostgreSQL is away. */
  async store(load: Load, lane: number): Promise<Commit> {
    const { log, signal, onFailure } = this.#options;
    const startedAt = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      try {
        const counts = await this.#commit(load, lane);
        return { ...counts, rejected: load.rejects.length, seconds: (performance.now() - startedAt) / 1_000 };
      } catch (error) {
        onFailure(error);
        if (remedyFor(error) === 'bisect' && load.rows.length > 0) return this.#bisect(load, lane, error);
        signal.throwIfAborted();
        log.warn(
          { err: error, attempt, touchpoints: load.rows.length },
          'could not store a batch; trying again',
        );
        await sleep(backoffMs(attempt), undefined, { signal });
      }
    }
  }

  /** Halves a refused load until the row is found that PostgreSQL cannot hold; that one becomes a reject. */
  async #bisect({ rows, rejects }: Load, lane: number, error: unknown): Promise<Commit> {
    if (rows.length === 1) {
      this.#options.log.error(
        { err: error, touchpointId: rows[0]!.touchpointId },
        'PostgreSQL refuses a touchpoint',
      );
      return this.store({ rows: [], rejects: [...rejects, refusedRow(rows[0]!, error)] }, lane);
    }
    const middle = rows.length >> 1;
    // One after the other, so that a stream stays in order.
    const first = await this.store({ rows: rows.slice(0, middle), rejects }, lane);
    return sumOf([first, await this.store({ rows: rows.slice(middle), rejects: [] }, lane)]);
  }

  async #commit(load: Load, lane: number): Promise<StoreCounts> {
    const client = await this.#options.pool.connect();
    const { promise: lost, reject: lose } = Promise.withResolvers<never>();
    lost.catch(() => {}); // a connection may also be lost when nobody waits for it any more
    client.on('error', lose);
    try {
      const counts = await Promise.race([transaction(client, load, lane), lost]);
      client.off('error', lose);
      client.release();
      return counts;
    } catch (error) {
      // After a failure the connection may be half dead; a new one costs milliseconds.
      client.release(true);
      throw error;
    }
  }
}

async function transaction(client: PoolClient, { rows, rejects }: Load, lane: number): Promise<StoreCounts> {
  await client.query('begin');
  const counts = await storeRows(client, rows, { origin: 'live', lane, rejects });
  await client.query('commit');
  return counts;
}

/** Several commits as one; they ran side by side or in turn, so the longest time stands for all. */
export function sumOf(commits: readonly Commit[]): Commit {
  const sum = { stored: 0, duplicates: 0, rejected: 0, seconds: 0 };
  for (const { stored, duplicates, rejected, seconds } of commits) {
    sum.stored += stored;
    sum.duplicates += duplicates;
    sum.rejected += rejected;
    sum.seconds = Math.max(sum.seconds, seconds);
  }
  return sum;
}
