import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';
import type { Logger } from 'pino';
import { backoffMs, remedyFor } from './failures.ts';
import type { Line } from './lines.ts';
import type { Loss } from './prepare.ts';
import { RecentIds } from './recent-ids.ts';
import type { Reject } from './rejects.ts';
import { type StoreCounts, type StoreOptions, type Way, commitLines } from './store.ts';

/** What one commit of the writer did. */
export type Commit = StoreCounts & { rejected: number; seconds: number };

/** What is stored together. */
export type Load = { lines: readonly Line[]; rejects: readonly Reject[]; losses: readonly Loss[] };

export type CommitterOptions = {
  pool: Pool;
  log: Pick<Logger, 'warn' | 'error'>;
  /** Ends the waiting for a PostgreSQL that does not come back. */
  signal: AbortSignal;
  onFailure: (error: unknown) => void;
  /** The reject that a touchpoint becomes if PostgreSQL cannot hold it. */
  rejectOf: (line: Line, error: unknown) => Reject;
};

/** Stores loads whatever happens: waits while PostgreSQL is away, and sets aside the touchpoint that it refuses. */
export class Committer {
  readonly #options: CommitterOptions;
  readonly #recent = new RecentIds();
  /** How many loads yet to store by the way that checks, and how many it will be after the next surprise. */
  #checked = 0;
  #penalty = 1;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /**
   * Resolves when everything is committed, which is not before `previous`; rejects only if the signal aborts while
   * PostgreSQL is away.
   */
  async store(load: Load, previous: Promise<void> | undefined): Promise<Commit> {
    const { log, signal, onFailure } = this.#options;
    const startedAt = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      const way = this.#nextWay();
      try {
        const counts = await this.#commit(load, previous, way);
        return { ...counts, rejected: load.rejects.length, seconds: (performance.now() - startedAt) / 1_000 };
      } catch (error) {
        const remedy = remedyFor(error, way);
        if (remedy === 'check') {
          this.#expectRepeats();
          continue;
        }
        onFailure(error);
        if (remedy === 'bisect' && load.lines.length > 0) return this.#bisect(load, previous, error);
        signal.throwIfAborted();
        log.warn(
          { err: error, attempt, touchpoints: load.lines.length },
          'could not store a batch; trying again',
        );
        await sleep(backoffMs(attempt), undefined, { signal });
      }
    }
  }

  /** Halves a refused load until the touchpoint is found that PostgreSQL cannot hold; that one becomes a reject. */
  async #bisect(
    { lines, rejects, losses }: Load,
    previous: Promise<void> | undefined,
    error: unknown,
  ): Promise<Commit> {
    if (lines.length === 1) {
      this.#options.log.error(
        { err: error, touchpointId: lines[0]!.touchpointId },
        'PostgreSQL refuses a touchpoint',
      );
      return this.store(
        { lines: [], rejects: [...rejects, this.#options.rejectOf(lines[0]!, error)], losses },
        previous,
      );
    }
    const middle = lines.length >> 1;
    // One after the other, so that a stream stays in order.
    const first = await this.store({ lines: lines.slice(0, middle), rejects, losses }, previous);
    return sumOf([
      first,
      await this.store({ lines: lines.slice(middle), rejects: [], losses: [] }, previous),
    ]);
  }

  /** A repeat that was not remembered: where one came, more will, say of a browser that was offline. */
  #expectRepeats(): void {
    this.#checked = this.#penalty;
    this.#penalty = Math.min(this.#penalty * 2, 64);
  }

  #nextWay(): Way {
    if (this.#checked > 0) {
      this.#checked -= 1;
      return 'check';
    }
    if (this.#penalty > 1) this.#penalty -= 1;
    return 'copy';
  }

  async #commit(
    { lines, rejects, losses }: Load,
    previous: Promise<void> | undefined,
    way: Way,
  ): Promise<StoreCounts> {
    const client = await this.#options.pool.connect();
    const { fresh, repeats } = this.#recent.partOf(lines);
    const options: StoreOptions = {
      origin: 'live',
      lane: 0,
      rejects,
      losses,
      repeats,
      way,
      before: () => previous,
    };
    const { promise: lost, reject: lose } = Promise.withResolvers<never>();
    lost.catch(() => {}); // a connection may also be lost when nobody waits for it any more
    client.on('error', lose);
    try {
      const counts = await Promise.race([commitLines(client, fresh, options), lost]);
      client.off('error', lose);
      client.release();
      return counts;
    } catch (error) {
      this.#recent.forget(fresh);
      // PostgreSQL's own no leaves the connection sound; else it may be half dead, and a new one costs milliseconds.
      const isSound = remedyFor(error, way) !== 'retry' && (await isRolledBack(client));
      if (isSound) client.off('error', lose);
      client.release(!isSound);
      throw error;
    }
  }
}

async function isRolledBack(client: PoolClient): Promise<boolean> {
  try {
    await client.query('rollback');
    return true;
  } catch {
    return false;
  }
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
