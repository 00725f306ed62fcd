import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { SilentCollector } from '../triggers/firing.ts';
import { Deriver } from './derive.ts';

/** What the loops report of themselves. */
export type DeriveMetrics = {
  derived: { inc(touchpointCount: number): void };
  deriveLag: { set(seconds: number): void };
  deriveSeconds: { observe(seconds: number): void };
  silentCollectors?: { set(count: number): void };
};

export type LoopOptions = {
  pool: pg.Pool;
  log: Logger;
  metrics?: DeriveMetrics;
  /** The first of a process also moves the clocks and keeps house; the others help when much waits. */
  isFirst: boolean;
};

export type DeriveLoop = {
  /** Something was stored: look now instead of at the next tick. */
  wake(): void;
  /** Resolves when nothing waits any more, or PostgreSQL is away. */
  drain(): Promise<void>;
  stop(): Promise<void>;
};

// Another process may have stored what we were not woken for; timers fall due by themselves.
const tickMilliseconds = 200;
// A transaction costs some milliseconds however little there is to do, so little work is let gather for this long.
const gatheringMilliseconds = 250;
const littleTouchpoints = 2_000;
// A helper would cost more than it brings while less than this waits.
const leastForHelpers = 6_000;
const clockMilliseconds = 500;
const alarmMilliseconds = 10_000;
const houseMilliseconds = 3_600_000;
/** The first time soon after the start: a collector may be started anew more often than once an hour. */
const firstHouseMilliseconds = 60_000;
const longestBackoffMilliseconds = 5_000;

/** One deriver, at work until stopped. PostgreSQL may go away and come back; nothing is lost by that. */
export function startLoop({ pool, log, metrics, isFirst }: LoopOptions): DeriveLoop {
  let isStopping = false;
  let deriver: Deriver | undefined;
  let backoffMilliseconds = 100;
  let clockAt = 0;
  let hasChanges = false;
  let houseAt = Date.now() + firstHouseMilliseconds;
  let alarmAt = Date.now() + alarmMilliseconds;
  let silent = new Set<string>();
  let interrupt = new AbortController();
  let onIdle: (() => void)[] = [];

  async function work(): Promise<void> {
    deriver ??= await Deriver.open(pool);
    const startedAt = performance.now();
    const count = await deriver.deriveBatches({ leastWaiting: isFirst ? 1 : leastForHelpers });
    if (count > 0) {
      metrics?.derived.inc(count);
      metrics?.deriveSeconds.observe((performance.now() - startedAt) / 1_000);
    } else {
      metrics?.deriveLag.set(0);
    }
    if (isFirst) await keepHouse(deriver);
    backoffMilliseconds = 100;
    if (hasChanges) return;
    if (count === 0) await idle();
    else if (count < littleTouchpoints && !isStopping) {
      await sleep(Math.max(0, gatheringMilliseconds - (performance.now() - startedAt)));
    }
  }

  async function keepHouse(housekeeper: Deriver): Promise<void> {
    if (Date.now() >= clockAt) {
      clockAt = Date.now() + clockMilliseconds;
      await housekeeper.advanceClocks();
      await housekeeper.fireTriggers();
      hasChanges = true; // perhaps: an import of rates and a change of goals tell nobody
    }
    if (Date.now() >= alarmAt) {
      alarmAt = Date.now() + alarmMilliseconds;
      alarm(await housekeeper.silentCollectors());
    }
    if (hasChanges) {
      hasChanges = (await housekeeper.deriveRateChanges()) || (await housekeeper.deriveGoalChanges());
    }
    if (Date.now() >= houseAt) {
      houseAt = Date.now() + houseMilliseconds;
      for (const { siteId, until, touchpoints } of await housekeeper.keepHouse()) {
        log.info({ siteId, until, touchpoints }, 'dropped what its site keeps no longer');
      }
    }
  }

  function alarm(collectors: SilentCollector[]): void {
    for (const { collectorId, seenAt } of collectors) {
      if (silent.has(collectorId)) continue;
      log.warn(
        { collectorId, seenAt },
        'a collector has fallen silent; triggers do not wait for it any more',
      );
    }
    silent = new Set(collectors.map(({ collectorId }) => collectorId));
    metrics?.silentCollectors?.set(silent.size);
  }

  async function idle(): Promise<void> {
    for (const resolve of onIdle.splice(0)) resolve();
    if (isStopping) return;
    await sleep(tickMilliseconds, undefined, { signal: interrupt.signal }).catch(() => {
      // Woken: something was stored.
    });
    interrupt = new AbortController();
  }

  async function run(): Promise<void> {
    while (!isStopping) {
      try {
        await work();
      } catch (error) {
        log.warn({ err: error }, 'derivation failed; trying again');
        await deriver?.close().catch(() => {
          // It was lost already.
        });
        deriver = undefined;
        for (const resolve of onIdle.splice(0)) resolve();
        await sleep(backoffMilliseconds);
        backoffMilliseconds = Math.min(backoffMilliseconds * 2, longestBackoffMilliseconds);
      }
    }
    await deriver?.close();
  }

  const running = run();
  return {
    wake: () => interrupt.abort(),
    drain: () =>
      new Promise((resolve) => {
        onIdle.push(resolve);
        interrupt.abort();
      }),
    stop: async () => {
      isStopping = true;
      interrupt.abort();
      await running;
      onIdle = [];
    },
  };
}
