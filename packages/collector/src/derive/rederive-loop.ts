import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import { rederive } from './rebuild.ts';

const lookMilliseconds = 2_000;

/**
 * Derives sites again that wait for it: with a changed setting, or since a rebuild was left unfinished. Works beside
 * derivation, on a connection of its own, and goes on after a restart where it was.
 */
export function startRederiving({ pool, log }: { pool: pg.Pool; log: Logger }): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        const { rows } = await pool.query<{ site_id: number }>(
          'select rederivations.site_id from store.rederivations order by rederivations.requested_at',
        );
        for (const { site_id: siteId } of rows) {
          const startedAt = performance.now();
          const rowsChanged = await rederive(pool, [siteId], { workers: 1, signal });
          const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
          if (!signal.aborted) log.info({ siteId, rowsChanged, seconds }, 'a site is derived again');
        }
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'a site cannot be derived again; trying once more');
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
