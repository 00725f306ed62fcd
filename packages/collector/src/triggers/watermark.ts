import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { TouchpointBuffer } from '../buffer/buffer.ts';

export type WatermarkOptions = {
  /** Which collector this is, also after a restart: see {@link collectorIdOf}. */
  collectorId: string;
  buffer: Pick<TouchpointBuffer, 'depth'>;
  pool: Pool;
  log: Pick<Logger, 'warn'>;
};

export type Watermark = {
  /** Says for the last time how far the buffer is carried. An empty one holds nothing back any more. */
  stop(): Promise<void>;
};

const reportMilliseconds = 1_000;

/** A collector is known by its buffer: whoever opens that next goes on where it was. */
export function collectorIdOf(bufferUrl: string): string {
  const folder = /^lmdb:(?<folder>.+)$/.exec(bufferUrl)?.groups?.['folder'];
  return folder === undefined ? bufferUrl : `${hostname()}:${resolve(folder)}`;
}

/**
 * The instant before which everything that was acked is stored. An entry is acked after it was appended, and that after
 * it was received: whatever was acked before the oldest entry came stands before it in the buffer, hence is stored.
 */
export function ackedUntil({ depth }: Pick<TouchpointBuffer, 'depth'>, now: () => number): number {
  const before = now(); // first: an entry may be acked while the buffer is looked at
  return Math.min(before, depth().oldestReceivedAt ?? before);
}

/** Tells derivation every second how far this collector's buffer is stored. Resolves once it was told for the first time. */
export async function startWatermark({
  collectorId,
  buffer,
  pool,
  log,
}: WatermarkOptions): Promise<Watermark> {
  const stopping = new AbortController();
  const report = async (): Promise<void> => {
    await pool.query({
      name: 'report_collector',
      text: 'select store.report_collector($1, $2)',
      values: [collectorId, new Date(ackedUntil({ depth: () => buffer.depth() }, Date.now))],
    });
  };

  async function run(): Promise<void> {
    let isTold = true;
    while (!stopping.signal.aborted) {
      await sleep(reportMilliseconds, undefined, { signal: stopping.signal, ref: false }).catch(() => {
        // Stopped while waiting.
      });
      try {
        await report();
        isTold = true;
      } catch (error) {
        if (isTold) log.warn({ err: error }, 'derivation cannot be told how far the buffer is; trying on');
        isTold = false;
      }
    }
  }

  await report();
  const running = run();
  return {
    stop: async () => {
      stopping.abort();
      await running;
      if (buffer.depth().entries > 0) return;
      await pool.query('delete from store.collectors where collector_id = $1', [collectorId]).catch(() => {
        // It falls silent instead.
      });
    },
  };
}
