import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { Refusal } from '../refusal.ts';
import { makeEqual } from './rebuild-switch.ts';
import { endTwins, prepareTwins } from './rebuild-twins.ts';
import { openSession } from './session.ts';
import type { RebuildOptions as Options } from './twins.ts';

export type RebuildOptions = Options & {
  /** Only this site. Default: all of them. */
  siteId?: number;
  /** How many connections work side by side. Default: one per CPU. */
  workers?: number;
  /** Ends the work early, between two steps; whoever calls again goes on from there. */
  signal?: AbortSignal;
};

/** What one call of `store.rederive` did. */
type Step = { state: 'worked' | 'busy' | 'ready' | 'gone'; phase: string };

// Emptying the workbench costs every plan that names it, and its dead rows cost every look at it.
const stepsPerTruncation = 4;
const busyMilliseconds = 25;
const progressMilliseconds = 250;

/**
 * Derives everything again from the inputs, beside the live tables, and writes what differs in one transaction a site.
 * Readers see the old answers until that commits, and traffic goes on meanwhile. A run that was ended halfway goes on
 * where it was; several, in one process or many, work together. Settings that wait for a site are its own from the switch
 * on. Resolves to the number of rows changed.
 */
export async function rebuild(pool: pg.Pool, options: RebuildOptions = {}): Promise<number> {
  const { rows: sites } = await pool.query<{ site_id: number }>(
    'select sites.site_id from store.sites where $1::integer is null or sites.site_id = $1 order by sites.site_id',
    [options.siteId ?? null],
  );
  if (options.siteId !== undefined && sites.length === 0) {
    throw new Refusal(`there is no site ${options.siteId}; milepost site list shows them.`);
  }
  const siteIds = sites.map((row) => row.site_id);
  await pool.query(
    `insert into store.rederivations (site_id) select unnest($1::integer[]) on conflict (site_id) do nothing`,
    [siteIds],
  );
  return rederive(pool, siteIds, options);
}

/** Goes on with the sites that are to be derived again, until they are, or the signal says to stop. */
export async function rederive(
  pool: pg.Pool,
  siteIds: number[],
  { workers = availableParallelism(), onProgress, signal }: RebuildOptions,
): Promise<number> {
  if (siteIds.length === 0) return 0;
  await prepareTwins(pool);
  const failing = new AbortController();
  const ending = AbortSignal.any([failing.signal, ...(signal ? [signal] : [])]);
  const results = await Promise.allSettled(
    Array.from({ length: workers }, async (_, index) => {
      try {
        return await work(pool, siteIds, {
          signal: ending,
          ...(index === 0 && onProgress && { onProgress }),
        });
      } catch (error) {
        failing.abort();
        throw error;
      }
    }),
  );
  await endTwins(pool);
  let changed = 0;
  for (const result of results) {
    if (result.status === 'rejected') throw result.reason;
    changed += result.value;
  }
  return changed;
}

/** One worker: step after step, site after site. */
async function work(
  pool: pg.Pool,
  siteIds: number[],
  { signal, onProgress }: { signal: AbortSignal; onProgress?: RebuildOptions['onProgress'] },
): Promise<number> {
  const client = await openSession(pool, 'rebuild, store, pg_temp');
  try {
    // What a crash would lose of the progress, it loses of the rows made again as well.
    await client.query('set synchronous_commit = off');
    let changed = 0;
    let stepCount = 0;
    let toldAt = 0;
    for (const siteId of siteIds) {
      while (!signal.aborted) {
        const { state } = await oneStep(client, siteId);
        if (onProgress && (state === 'ready' || performance.now() >= toldAt + progressMilliseconds)) {
          toldAt = performance.now();
          await tell(client, siteId, onProgress);
        }
        if (state === 'gone') break;
        if (state === 'busy') await sleep(busyMilliseconds);
        if (state === 'ready') changed += await switchSite(client, siteId, onProgress);
        if (state === 'worked') {
          stepCount += 1;
          await client.query('select store.analyze_young_tables(is_forced => false)');
          if (stepCount % stepsPerTruncation === 0) await client.query('select store.truncate_work_tables()');
        }
      }
    }
    return changed;
  } finally {
    await client.end();
  }
}

/** A step that gave way to another worker is done once more. */
async function oneStep(client: pg.Client, siteId: number): Promise<Step> {
  for (;;) {
    try {
      const { rows } = await client.query<Step>({
        name: 'rederive',
        text: 'select stepped.state, stepped.phase from store.rederive($1) as stepped',
        values: [siteId],
      });
      const [step] = rows;
      if (!step) throw new Error('the step answered nothing');
      return step;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== '40P01' && code !== '40001') throw error;
    }
  }
}

async function tell(
  client: pg.Client,
  siteId: number,
  onProgress: NonNullable<RebuildOptions['onProgress']>,
): Promise<void> {
  const { rows } = await client.query<{ phase: string | null; done: number; total: number }>(
    `select progress.phase, progress.done::double precision as done, progress.total::double precision as total
     from store.rederivation_progress($1) as progress`,
    [siteId],
  );
  const { phase, done = 0, total = 0 } = rows[0] ?? {};
  if (total === 0) return;
  if (phase === 'identities') onProgress('identities', done, total);
  if (phase === 'persons' || phase === 'crowds') onProgress('persons', done, total);
}

/** Does the last of what is left and writes what differs, all while no deriver is at work on the site. */
async function switchSite(
  client: pg.Client,
  siteId: number,
  onProgress: RebuildOptions['onProgress'],
): Promise<number> {
  await client.query('begin');
  try {
    const { rows } = await client.query<{ state: 'ready' | 'gone' | 'anew' }>(
      'select store.open_rederivation_switch($1) as state',
      [siteId],
    );
    const changed = rows[0]?.state === 'ready' ? await makeEqual(client, siteId, onProgress) : 0;
    await client.query('commit');
    return changed;
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the first error is the one to tell
    throw error;
  }
}
