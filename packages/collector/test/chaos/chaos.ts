import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { startPostgres } from '../../src/database/embedded.ts';
import { migrate } from '../../src/database/migrate.ts';
import { createPool } from '../../src/database/pool.ts';
import { verify } from '../../src/derive/verify.ts';
import { benchBatches } from '../../src/simulate/bench.ts';
import { drawOf } from '../ingest/hostile.ts';
import { startedAgain } from '../ingest/killed.ts';
import { CollectorProcess, freePort, Load } from '../ingest/process.ts';
import { createSite } from '../support/site.ts';
import { residentMegabytes } from '../support/memory.ts';

/**
 * `collector` has all roles, `writer` only takes in and writes; both write to the same PostgreSQL and know the same
 * persons. `everything` is all three at once, as when a machine dies.
 */
export const victims = ['collector', 'writer', 'postgres', 'everything'] as const;
export type Victim = (typeof victims)[number];

export type Round = { number: number; victim: Victim; afterMs: number; downMs: number };

export type ChaosOptions = {
  /** Of this run alone; PostgreSQL and the buffers lie in it. */
  folder: string;
  rounds: number;
  /** Chooses when each is killed, and for how long. */
  seed: number;
  /** Everything is looked at after so many rounds, and at the end. */
  checkEvery: number;
  onRound?: (round: Round) => void;
  onCheck?: (sums: Sums) => void;
};

/** What must be 0, and what tells how much was looked at. */
export type Sums = {
  acked: number;
  stored: number;
  lost: number;
  doubled: number;
  differences: number;
  /** Requests that a kill left without an answer. */
  unanswered: number;
  largestMegabytes: number;
};

/** Kills at random instants under load, again and again, and looks whether what was acked is stored once and derived. */
export async function chaos(options: ChaosOptions): Promise<Sums> {
  const stage = await openStage(options.folder);
  try {
    const draw = drawOf(options.seed);
    let sums: Sums | undefined;
    for (let from = 1; from <= options.rounds; from += options.checkEvery) {
      const loads = stage.load();
      for (let number = from; number < from + options.checkEvery && number <= options.rounds; number += 1) {
        await stage.untilAcked(loads);
        const round = {
          number,
          victim: victims[(number - 1) % victims.length]!,
          // Now at once after all was up again, now in the middle of steady work.
          afterMs: draw(draw(2) === 0 ? 100 : 1_500),
          downMs: draw(400),
        };
        options.onRound?.(round);
        await stage.kill(round);
      }
      await stage.untilAcked(loads);
      for (const load of loads) await load.stop();
      sums = await stage.check(loads);
      options.onCheck?.(sums);
    }
    if (!sums) throw new RangeError('chaos needs a round');
    return sums;
  } finally {
    await stage.close();
  }
}

async function openStage(folder: string) {
  const database = join(folder, 'database');
  mkdirSync(database, { recursive: true });
  const start = () => startPostgres({ folder: database });
  let postgres = await start();
  const pool = createPool(postgres.url, { connections: 2 });
  await migrate(pool);
  const { siteId, writeKey } = await createSite(pool);
  const collectorOf = async (name: string, env: NodeJS.ProcessEnv) =>
    new CollectorProcess({
      databaseUrl: postgres.url,
      folder: join(folder, name),
      port: await freePort(),
      env: { NODE_ENV: 'production', RATE_LIMIT: '0', ...env },
    });
  const collector = await collectorOf('collector', {});
  const writer = await collectorOf('writer', { ROLES: 'ingest,write' });
  const processes = [collector, writer];
  for (const each of processes) await each.start();

  const traffic = benchBatches({
    seed: 1,
    touchpoints: 5_000_000,
    startMs: Date.now() - 4 * 3_600_000,
    sites: 1,
    persons: 2_000,
  });
  const nextBatch = () =>
    traffic.next().value!.events.map((event: string) => JSON.parse(event) as { id: string });
  const acked = new Set<string>();
  let unanswered = 0;
  let largestMegabytes = 0;

  return {
    load: () =>
      processes.map(({ url }) => new Load({ url, key: writeKey, clients: 2, pauseMs: 50, nextBatch })),

    /** Resolves when each process has taken something more; throws if one is gone that nobody killed. */
    async untilAcked(loads: readonly Load[]): Promise<void> {
      const isAcked = Promise.all(loads.map((load) => load.untilAcked(60))).then(() => true);
      while (!(await Promise.race([isAcked, sleep(500)])))
        for (const each of processes) each.requireRunning();
    },

    /** Resolves when all is up again. */
    async kill({ victim, afterMs, downMs }: Round): Promise<void> {
      await sleep(afterMs);
      for (const { pid } of processes) largestMegabytes = Math.max(largestMegabytes, residentMegabytes(pid));
      const isHit = (name: Victim): boolean => victim === name || victim === 'everything';
      const killed = [...(isHit('collector') ? [collector] : []), ...(isHit('writer') ? [writer] : [])];
      if (isHit('postgres')) process.kill(postgres.pid, 'SIGKILL');
      await Promise.all(killed.map((each) => each.end('SIGKILL')));
      await sleep(downMs);
      if (isHit('postgres')) postgres = await startedAgain(start);
      await Promise.all(killed.map((each) => each.start()));
    },

    /** Waits until all is stored and derived, and compares. */
    async check(loads: readonly Load[]): Promise<Sums> {
      for (const load of loads) {
        for (const id of load.acked) acked.add(id);
        unanswered += load.statuses.get('no answer') ?? 0;
      }
      for (const { url } of processes) await untilEmpty(url);
      await untilDerived(pool);
      const { rows } = await pool.query<{ id: string }>(
        'select touchpoint_id as id from store.touchpoints where site_id = $1',
        [siteId],
      );
      const stored = new Set(rows.map(({ id }) => id));
      const { differences } = await verify(pool);
      return {
        acked: acked.size,
        stored: stored.size,
        lost: [...acked].filter((id) => !stored.has(id)).length,
        doubled: rows.length - stored.size,
        differences: differences.length,
        unanswered,
        largestMegabytes,
      };
    },

    async close(): Promise<void> {
      for (const each of processes) await each.end('SIGKILL');
      await pool.end();
      await postgres.stop();
    },
  };
}

async function untilEmpty(url: string): Promise<void> {
  for (let turn = 0; turn < 6_000; turn += 1) {
    const metrics = await fetch(`${url}/metrics`).then((answer) => answer.text());
    if (/^milepost_buffer_entries 0$/m.test(metrics)) return;
    await sleep(50);
  }
  throw new Error('a buffer was not empty within five minutes');
}

async function untilDerived(pool: pg.Pool): Promise<void> {
  for (let turn = 0; turn < 6_000; turn += 1) {
    const { rows } = await pool.query('select from store.batches limit 1');
    if (rows.length === 0) return;
    await sleep(50);
  }
  throw new Error('not everything was derived within five minutes');
}
