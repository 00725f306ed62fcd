import type pg from 'pg';
import { sweepDeletedSites } from '../database/sites.ts';
import { fireTriggers, type SilentCollector, silentCollectors } from '../triggers/firing.ts';
import { type Cut, keepRetention } from './retention.ts';
import { openSession } from './session.ts';

/**
 * How many touchpoints one derive transaction takes, about. Under load more of them are of the same persons, so more
 * together cost less each: with 16,000 a fifth less than with 9,000, in a transaction of some two seconds. Fewer wait
 * as long as derivation keeps up.
 */
export const touchpointsPerTransaction = 16_000;

/** How many persons whose timers fell due one transaction takes, about. */
const personsPerTransaction = 2_000;

const rowsDroppedAtOnce = 10_000;

/** How many orders or carts in foreign currencies one transaction looks at after an import of rates. */
const conversionsPerTransaction = 1_000;

/** How many touchpoints one transaction looks at when goals change. */
const touchpointsPerLook = 10_000;

// Rows deleted from the workbench at the start of a transaction stay behind as dead ones. Truncating it costs every plan
// that names it, so that waits until there are this many.
const deadRowsBeforeTruncation = 64_000;

/**
 * One connection that derives. Not safe for concurrent calls; several derivers, in one process or many, are: one works
 * at a time, by advisory lock.
 */
export class Deriver {
  readonly #client: pg.Client;
  #derivedCount = 0;
  #nextLookAt = 0;
  #deadRows = 0;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async open(pool: pg.Pool): Promise<Deriver> {
    return new Deriver(await openSession(pool));
  }

  /**
   * Derives the oldest waiting touchpoints. Resolves to how many there were; 0 when fewer than `leastWaiting` wait
   * (default 1).
   */
  async deriveBatches({ leastWaiting = 1 }: { leastWaiting?: number } = {}): Promise<number> {
    await this.#keepPlansRight();
    const { rows } = await this.#client.query<{ count: number }>({
      name: 'derive_batches',
      text: 'select store.derive_batches($1, $2) as count',
      values: [touchpointsPerTransaction, leastWaiting],
    });
    const count = rows[0]?.count ?? 0;
    this.#deadRows += count;
    this.#derivedCount += count;
    return count;
  }

  /**
   * Lets every timer due at or before `target` fire, site by site. Without a target it is now, and sites that another
   * deriver is at work on are left for the next time.
   */
  async advanceClocks(target?: Date): Promise<void> {
    const { rows } = await this.#client.query<{ site_id: number }>({
      name: 'sites',
      text: 'select sites.site_id from store.sites order by sites.site_id',
    });
    for (const { site_id: siteId } of rows) {
      let isThere = false;
      while (!isThere) {
        const { rows: reached } = await this.#client.query<{ is_there: boolean }>({
          name: 'advance_clock',
          text: `with target as (select coalesce($2::timestamptz, date_trunc('milliseconds', clock_timestamp())) as at)
            select store.advance_clock($1, target.at, $3, $2 is not null) >= target.at as is_there from target`,
          values: [siteId, target ?? null, personsPerTransaction],
        });
        isThere = reached[0]?.is_there ?? true;
        if (isThere) continue;
        // Much fell due at once: clocks that catch up fill tables as touchpoints do.
        this.#derivedCount += personsPerTransaction;
        await this.#keepPlansRight();
      }
    }
  }

  /**
   * One step of what an import of rates left to do: orders and carts that another rate applies to now are derived again.
   * Resolves to whether there was anything to do. Sites that another deriver is at work on are left for the next time,
   * unless `isPatient`.
   */
  async deriveRateChanges({ isPatient = false }: { isPatient?: boolean } = {}): Promise<boolean> {
    await this.#keepPlansRight();
    const { rows } = await this.#client.query<{ is_done: boolean }>({
      name: 'derive_rate_changes',
      text: 'select store.derive_rate_changes($1, $2) as is_done',
      values: [conversionsPerTransaction, isPatient],
    });
    const isDone = rows[0]?.is_done ?? false;
    if (isDone) this.#deadRows += conversionsPerTransaction;
    return isDone;
  }

  /**
   * One step of changing the goals of a site: looks at touchpoints that are there, or switches to the new goals. Resolves
   * to whether there was anything to do. Sites that another deriver is at work on are left for the next time, unless
   * `isPatient`.
   */
  async deriveGoalChanges({ isPatient = false }: { isPatient?: boolean } = {}): Promise<boolean> {
    await this.#keepPlansRight();
    const { rows } = await this.#client.query<{ is_done: boolean }>({
      name: 'derive_goal_changes',
      text: 'select store.derive_goal_changes($1, $2) as is_done',
      values: [touchpointsPerLook, isPatient],
    });
    return rows[0]?.is_done ?? false;
  }

  /** Fires every trigger due at `at` (default: now) of which derivation has caught up. Resolves to how many. */
  async fireTriggers(at?: Date): Promise<number> {
    return fireTriggers(this.#client, at);
  }

  /** Collectors that have said nothing for so long that triggers do not wait for them any more. */
  async silentCollectors(): Promise<SilentCollector[]> {
    return silentCollectors(this.#client);
  }

  /**
   * Makes the partitions of the months ahead; drops changes, rejected events, counts and touchpoints that are older than
   * their site keeps them, and what has come for deleted sites. Resolves to the touchpoints that were dropped.
   */
  async keepHouse(now = new Date()): Promise<Cut[]> {
    await this.#client.query('select store.make_partitions($1)', [now]);
    await sweepDeletedSites(this.#client);
    for (const drop of ['drop_old_changes', 'drop_old_rejects', 'drop_old_deliveries']) {
      for (let dropped = 1; dropped > 0;) {
        const { rows } = await this.#client.query<{ dropped: number }>(
          `select store.${drop}($2, $1)::integer as dropped`,
          [rowsDroppedAtOnce, now],
        );
        dropped = rows[0]?.dropped ?? 0;
      }
    }
    return keepRetention(this.#client, now);
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    await this.#client.end();
  }

  async #keepPlansRight(): Promise<void> {
    if (this.#derivedCount >= this.#nextLookAt) {
      // Plans made over young, small tables may take the wrong index, so tables that have doubled are looked at anew;
      // every deriver's plans over them follow by themselves.
      this.#nextLookAt = Math.max(1, this.#derivedCount * 2);
      await this.#client.query('select store.analyze_young_tables(is_forced => false)');
    }
    if (this.#deadRows >= deadRowsBeforeTruncation) {
      this.#deadRows = 0;
      await this.#client.query('select store.truncate_work_tables()');
    }
  }
}

/**
 * Derives everything that waits and lets every timer due at `asOf` (default: now) fire. For tests, imports and the
 * command line; a serving collector does the same by itself, continuously.
 */
export async function deriveUntilIdle(
  pool: pg.Pool,
  { asOf, onProgress }: { asOf?: Date; onProgress?: (touchpointCount: number) => void } = {},
): Promise<number> {
  const deriver = await Deriver.open(pool);
  try {
    let total = 0;
    for (;;) {
      const count = await deriver.deriveBatches();
      if (count === 0) break;
      total += count;
      onProgress?.(total);
    }
    while (await deriver.deriveRateChanges({ isPatient: true }));
    while (await deriver.deriveGoalChanges({ isPatient: true }));
    await deriver.advanceClocks(asOf ?? new Date());
    return total;
  } finally {
    await deriver.close();
  }
}
