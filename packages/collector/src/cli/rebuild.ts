import type { Command } from 'commander';
import { rebuild } from '../derive/index.ts';
import { phaseProgress } from './phases.ts';
import { printOne, withDatabase } from './terminal.ts';

/** `milepost rebuild`: derives everything again from the inputs. */
export function register(program: Command): void {
  program
    .command('rebuild')
    .description(
      'Derive everything again from the stored touchpoints and write what differs, in one transaction: readers see the ' +
        'old answers until it ends, and touchpoints that arrive meanwhile are derived afterwards',
    )
    .option('--json', 'print the result as one JSON line')
    .action(async (options: { json?: boolean }) => {
      const progress = phaseProgress(!options.json);
      const startedAt = performance.now();
      const changed = await withDatabase((pool) =>
        rebuild(pool, { onProgress: progress.onProgress }),
      ).finally(progress.stop);
      const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
      printOne({ rows_changed: changed, seconds }, options);
    });
}
