import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import { resumeModelChange } from './apply.ts';

const lookMilliseconds = 2_000;

// Those whose lock nobody holds: a session to derive in is only opened when there is something to do.
const leftChanges = `
  select model_changes.site_id
  from store.model_changes
  where not exists (
    select from pg_locks
    where pg_locks.locktype = 'advisory' and pg_locks.granted
      and pg_locks.database = (select oid from pg_database where datname = current_database())
      and pg_locks.classid::bigint = hashtext('milepost.model')::bigint & 4294967295
      and pg_locks.objid::bigint = model_changes.site_id
  )`;

/**
 * Takes up changes of model that were begun and left, by a command that was ended or a collector that went away. Works
 * beside derivation, on connections of its own.
 */
export function startResuming({ pool, log }: { pool: pg.Pool; log: Logger }): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        const { rows } = await pool.query<{ site_id: number }>(leftChanges);
        for (const { site_id: siteId } of rows) {
          const startedAt = performance.now();
          if (!(await resumeModelChange(pool, { siteId, signal }))) continue;
          const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
          log.info({ siteId, seconds }, 'a change of model that was left unfinished is done');
        }
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'a change of model cannot go on; trying again');
      }
      await sleep(lookMilliseconds, undefined, { signal }).catch(() => {
        // Stopping.
      });
    }
  }

  const running = run();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
