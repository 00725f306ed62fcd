import type { RebuildOptions } from '../derive/index.ts';
import { type Progress, progressBar } from '../simulate/progress.ts';

/** One bar for each phase of a rebuild or verification, on standard error. */
export function phaseProgress(isShown: boolean): {
  onProgress: NonNullable<RebuildOptions['onProgress']>;
  stop: () => void;
} {
  let current: { phase: string; bar: Progress } | undefined;
  return {
    onProgress: (phase, done, total) => {
      if (current?.phase !== phase) {
        current?.bar.stop();
        current = { phase, bar: progressBar({ total, unit: phase, isShown }) };
      }
      current.bar.to(done);
    },
    stop: () => current?.bar.stop(),
  };
}
