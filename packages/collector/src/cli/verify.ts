import type { Command } from 'commander';
import { type Difference, verify } from '../derive/index.ts';
import { phaseProgress } from './phases.ts';
import { withDatabase } from './terminal.ts';

/** `milepost verify`: recomputes everything beside the live tables and tells every difference. */
export function register(program: Command): void {
  program
    .command('verify')
    .description(
      'Recompute everything derived from the stored touchpoints, beside the live tables and at the instant they stand ' +
        'at, and print each row that differs; changes nothing, and may run while traffic goes on. Exit code 1 if any differs',
    )
    .option('--json', 'print the report as one JSON document')
    .action(async (options: { json?: boolean }) => {
      const progress = phaseProgress(!options.json);
      const report = await withDatabase((pool) => verify(pool, { onProgress: progress.onProgress })).finally(
        progress.stop,
      );
      if (options.json) {
        process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
      } else {
        for (const difference of report.differences) process.stdout.write(textOf(difference));
        const rows = Object.entries(report.rows).map(([table, count]) => `${count} ${table}`);
        process.stdout.write(`${report.differences.length} differences in ${rows.join(', ')}\n`);
      }
      if (report.differences.length > 0) process.exitCode = 1;
    });
}

function textOf({ table, key, stored, recomputed }: Difference): string {
  const where = Object.entries(key)
    .map(([column, value]) => `${column} ${String(value)}`)
    .join(', ');
  if (!stored) return `${table} (${where}): missing, should be ${JSON.stringify(recomputed)}\n`;
  if (!recomputed) return `${table} (${where}): should not be there, is ${JSON.stringify(stored)}\n`;
  const columns = Object.keys(stored)
    .filter((column) => JSON.stringify(stored[column]) !== JSON.stringify(recomputed[column]))
    .map(
      (column) =>
        `${column} is ${JSON.stringify(stored[column])}, should be ${JSON.stringify(recomputed[column])}`,
    );
  return `${table} (${where}): ${columns.join('; ')}\n`;
}
