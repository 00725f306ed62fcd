import type { Command } from 'commander';
import { migrate } from '../database/migrate.ts';
import { printOne, withDatabase } from './terminal.ts';

/** `milepost migrate`: brings the database to this version. */
export function register(program: Command): void {
  program
    .command('migrate')
    .description(
      'Bring the database to this version: new migrations once each, functions and views whole when changed',
    )
    .option('--json', 'print the result as one JSON line')
    .action(async (options: { json?: boolean }) => {
      const done = await withDatabase((pool) =>
        migrate(pool, options.json ? {} : { onProgress: (line) => void process.stderr.write(`${line}\n`) }),
      );
      printOne({ applied: done.applied, is_rebuilt: done.isRebuilt }, options);
    });
}
