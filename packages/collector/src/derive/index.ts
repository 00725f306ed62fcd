import type pg from 'pg';
import type { Logger } from 'pino';
import { startResuming } from '../models/resume.ts';
import { type DeriveLoop, type DeriveMetrics, startLoop } from './loop.ts';
import { startRederiving } from './rederive-loop.ts';

export { deriveUntilIdle } from './derive.ts';
export type { DeriveLoop, DeriveMetrics } from './loop.ts';
export { rebuild, type RebuildOptions } from './rebuild.ts';
export { verify, type Difference, type VerifyReport } from './verify.ts';

export type DeriveOptions = {
  pool: pg.Pool;
  log: Logger;
  metrics?: DeriveMetrics;
  /** How many derivers work side by side, each on other sites. Default: 2. */
  derivers?: number;
};

/** Derives continuously until stopped. */
export function startDerive({ derivers = 2, ...options }: DeriveOptions): DeriveLoop {
  const loops = Array.from({ length: derivers }, (_, index) =>
    startLoop({ ...options, isFirst: index === 0 }),
  );
  const resuming = startResuming(options);
  const rederiving = startRederiving(options);
  return {
    // The others help when much waits, and see that by themselves.
    wake: () => loops[0]?.wake(),
    drain: async () => {
      await Promise.all(loops.map((loop) => loop.drain()));
    },
    stop: async () => {
      await Promise.all([resuming.stop(), rederiving.stop(), ...loops.map((loop) => loop.stop())]);
    },
  };
}
