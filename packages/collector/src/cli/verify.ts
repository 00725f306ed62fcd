import { randomUUID } from 'node:crypto';
import { type Command, InvalidArgumentError } from 'commander';
import { type Difference, verify } from '../derive/index.ts';
import { phaseProgress } from './phases.ts';
import { Refusal } from '../refusal.ts';
import { withDatabase } from './terminal.ts';

/** `milepost verify`: recomputes everything beside the live tables and tells every difference. */
export function register(program: Command): void {
  program
    .command('verify')
    .description(
      'Recompute everything derived from the stored touchpoints, beside the live tables and at the instant they stand ' +
        'at, and print each row that differs; changes nothing, and may run while traffic goes on. Exit code 1 if any differs',
    )
    .option('--person <id>', 'look at this person alone, also by a former id; repeat for more', personIds)
    .option('--sample <count>', 'look at so many persons of each site, another choice each time', count)
    .option('--json', 'print the report as one JSON document')
    .addHelpText(
      'after',
      `
With --person or --sample it reads what belongs to these persons and to whoever shares an identity, an order or a cart id
with them. Sums over many persons (metrics by day, stages, accounts) are then not compared; all of it is, without.

Examples:
  $ milepost verify --sample 500
  $ milepost verify --person 7b0d3f6e-4c7a-8d2e-9f10-5a6b7c8d9e0f`,
    )
    .action(async (options: { json?: boolean; person?: string[]; sample?: number }) => {
      if (options.person && options.sample) throw new Refusal('say either --person or --sample, not both.');
      const only = options.person
        ? { personIds: options.person }
        : options.sample
          ? { sample: options.sample, from: randomUUID() }
          : undefined;
      const progress = phaseProgress(!options.json);
      const report = await withDatabase((pool) =>
        verify(pool, { onProgress: progress.onProgress, ...(only && { only }) }),
      ).finally(progress.stop);
      if (options.person && report.persons === 0)
        throw new Refusal('there is no such person; milepost verify --help tells how persons are named.');
      if (options.json) {
        process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
      } else {
        for (const difference of report.differences) process.stdout.write(textOf(difference));
        const rows = Object.entries(report.rows).map(([table, count]) => `${count} ${table}`);
        const whose = report.persons === null ? '' : ` of ${report.persons} persons`;
        process.stdout.write(`${report.differences.length} differences in ${rows.join(', ')}${whose}\n`);
        if (report.skipped.length > 0)
          process.stdout.write(
            `not compared, as they are about more persons: ${report.skipped.join(', ')}\n`,
          );
      }
      if (report.differences.length > 0) process.exitCode = 1;
    });
}

function personIds(text: string, earlier: string[] = []): string[] {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text))
    throw new InvalidArgumentError('A person is named by its person_id, a UUID.');
  return [...earlier, text];
}

function count(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('Write a number of persons, as 500.');
  return Number(text);
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
