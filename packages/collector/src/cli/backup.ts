import { type Command, InvalidArgumentError } from 'commander';
import { backup, type BackedUp } from '../backup/index.ts';
import { progressBar } from '../simulate/progress.ts';
import { printOne, withDatabase } from './terminal.ts';

/** `milepost backup`: everything into one file, while traffic goes on. */
export function register(program: Command): void {
  program
    .command('backup')
    .argument('<file>', 'where to write it; a file that is there is never written over')
    .description(
      'Write everything that is stored and derived, as of one instant, into one file, while collectors serve. ' +
        'milepost restore makes it whole again in an empty database',
    )
    .option('--wait <seconds>', 'how long collectors may take to store what they have acked', seconds, 60)
    .option('--json', 'print the result as one JSON line')
    .addHelpText(
      'after',
      `
What was acked before the command began is in it: the command waits until every collector has carried its buffer that far,
and says which one had not. Whatever comes meanwhile may be in it or not.

The file holds identity secrets, link secrets and secrets of webhooks, and everything known of persons; of API keys only
hashes. Nobody but you may read it (mode 0600). Keep it as you keep the database, encrypted where it leaves the machine.

It does not hold: passwords of readers (those are PostgreSQL's), signed-in browsers, and what waits in a buffer. A file
appears under its name only when it is whole; its sums are checked by milepost restore --check.

Examples:
  $ milepost backup milepost-2026-11-23.tar
  $ milepost restore milepost-2026-11-23.tar --check`,
    )
    .action(async (file: string, options: { wait: number; json?: boolean }) => {
      const bar = progressBar({ total: 1, unit: 'rows', isShown: !options.json });
      const startedAt = performance.now();
      const done = await withDatabase((pool) =>
        backup(pool, {
          file,
          waitMs: options.wait * 1_000,
          onProgress: (rows, about) => {
            bar.of(Math.max(rows, about));
            bar.to(rows);
          },
        }),
      ).finally(() => bar.stop());
      for (const warning of warningsOf(done)) process.stderr.write(`${warning}\n`);
      printOne(
        {
          file,
          bytes: done.bytes,
          touchpoints: touchpointsOf(done.rows),
          rows: sumOf(done.rows),
          acked_until: done.manifest.ackedUntil,
          behind: done.manifest.behind.map(({ collector }) => collector),
          seconds: Math.round((performance.now() - startedAt) / 100) / 10,
        },
        options,
      );
    });
}

function warningsOf({ manifest }: BackedUp): string[] {
  return manifest.behind.map(({ collector, ackedUntil, isSilent }) =>
    isSilent
      ? `collector ${collector} is silent: what it acked since ${ackedUntil} is in its buffer alone; start it, and back up again`
      : `collector ${collector} had not stored in time what it acked since ${ackedUntil}; back up again once it has, or say a longer --wait`,
  );
}

/** How many touchpoints there are among the rows of all tables. */
export function touchpointsOf(rows: Record<string, number>): number {
  return sumOf(Object.fromEntries(Object.entries(rows).filter(([name]) => name.startsWith('touchpoints'))));
}

/** How many rows there are in all. */
export function sumOf(rows: Record<string, number>): number {
  return Object.values(rows).reduce((sum, count) => sum + count, 0);
}

function seconds(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Write a number of seconds, as 60.');
  return Number(text);
}
