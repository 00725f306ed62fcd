import { InvalidArgumentError, type Command } from 'commander';
import { rebuild } from '../derive/index.ts';
import { siteId } from './arguments.ts';
import { phaseProgress } from './phases.ts';
import { printOne, withDatabase } from './terminal.ts';

/** `milepost rebuild`: derives everything again from the inputs. */
export function register(program: Command): void {
  program
    .command('rebuild')
    .description(
      'Derive everything again from the stored touchpoints, beside the live rows, and write what differs in one ' +
        'transaction a site: readers see the old answers until then, and traffic goes on. One that was ended halfway goes ' +
        'on where it was',
    )
    .option('--site <site>', 'only the site of this number', siteId)
    .option('--workers <number>', 'how many connections work side by side (default: one per CPU)', count)
    .option('--json', 'print the result as one JSON line')
    .action(async (options: { site?: number; workers?: number; json?: boolean }) => {
      const progress = phaseProgress(!options.json);
      const startedAt = performance.now();
      const changed = await withDatabase((pool) =>
        rebuild(pool, {
          onProgress: progress.onProgress,
          ...(options.site !== undefined && { siteId: options.site }),
          ...(options.workers !== undefined && { workers: options.workers }),
        }),
      ).finally(progress.stop);
      const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
      printOne({ rows_changed: changed, seconds }, options);
    });
}

function count(text: string): number {
  if (!/^[1-9]\d?$/.test(text)) throw new InvalidArgumentError('Say a number from 1 to 99.');
  return Number(text);
}
