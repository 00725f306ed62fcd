import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

import type { Command } from 'commander';

import { deriveUntilIdle } from '../derive/index.ts';
import { importFile } from '../import/import.ts';
import { formatOf } from '../import/lines.ts';
import { parseMapping, withArguments } from '../import/mapping.ts';
import { Refusal } from '../refusal.ts';
import { progressBar } from '../simulate/progress.ts';
import { collect, siteId } from './arguments.ts';
import { printOne, withDatabase } from './terminal.ts';

type Options = {
  site: number;
  map: string[];
  timeZone?: string;
  format?: 'ndjson' | 'csv';
  delimiter?: string;
  rejects?: string;
  derive: boolean;
  json?: boolean;
};

/** `milepost import`: past and offline touchpoints from a file. */
export function register(program: Command): void {
  program
    .command('import')
    .description('Store past and offline touchpoints from a file: NDJSON, CSV or TSV, .gz too')
    .argument('<file>', 'each line is judged alone; importing a file again stores nothing twice')
    .requiredOption('--site <number>', 'the site they belong to', siteId)
    .option(
      '--map <mapping>',
      'a JSON file, field=column or field:=constant; repeat for more. Without it a column is the field it is named after, or a property',
      collect,
      [],
    )
    .option(
      '--time-zone <zone>',
      'of times that name none, as Europe/Berlin (default: the mapping’s, else UTC)',
    )
    .option('--format <ndjson|csv>', 'default: by the file’s name')
    .option('--delimiter <character>', 'between the cells of a CSV file (default: comma, tab for .tsv)')
    .option(
      '--rejects <file>',
      'lines that were not stored, with the reason (default: <file>.rejects.ndjson here)',
    )
    .option('--no-derive', 'leave sessions, stages, carts and orders to the running collector')
    .option('--json', 'print the result as one JSON line, no progress bar')
    .addHelpText(
      'after',
      `
An import that was interrupted (Ctrl-C, a crash) goes on where it was when the same command runs again.

Example, orders of a shop's till:
  $ milepost import till.csv --site 1 --time-zone Europe/Berlin --map name:=purchase --map source:=store \\
      --map 'identities.loyalty_card=Card' --map 'occurred_at=Time' --map 'properties.transaction_id=Receipt' \\
      --map 'properties.value=Total' --map 'properties.currency:=EUR'`,
    )
    .action(run);
}

async function run(file: string, options: Options): Promise<void> {
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Refusal('interrupted before anything was stored.'));
  process.once('SIGINT', interrupt);
  const { mapping, timeZone } = await mappingOf(options);
  const rejectsFile = options.rejects ?? `${basename(file)}.rejects.ndjson`;
  const bar = progressBar({ total: 1, unit: 'MB', isShown: !options.json });
  const megabytes = (bytes: number) => Math.round(bytes / 100_000) / 10;
  const startedAt = performance.now();
  try {
    await withDatabase(async (pool) => {
      const summary = await importFile(pool, {
        file,
        siteId: options.site,
        format: options.format ?? formatOf(file),
        delimiter: options.delimiter ?? (/\.tsv(\.gz)?$/i.test(file) ? '\t' : ','),
        mapping,
        timeZone,
        rejectsFile,
        signal: stop.signal,
        onProgress: ({ step, bytes, ofBytes }) => {
          bar.of(megabytes(ofBytes));
          bar.to(megabytes(bytes), step);
        },
      });
      bar.stop();
      if (options.derive && summary.isFinished && summary.stored > 0) await deriveUntilIdle(pool);
      const seconds = Math.round(performance.now() - startedAt) / 1_000;
      const { stored, duplicates, rejected, resumedAfterLine, isFinished } = summary;
      printOne(
        {
          stored,
          duplicates,
          rejected,
          ...(rejected > 0 && { rejects_file: rejectsFile }),
          ...(resumedAfterLine > 0 && { resumed_after_line: resumedAfterLine }),
          is_finished: isFinished,
          seconds,
        },
        options,
      );
      if (!isFinished) process.exitCode = 1;
    });
  } finally {
    bar.stop();
    process.removeListener('SIGINT', interrupt);
  }
}

/** A `--map` that names a file is read first; the others are put over it. */
async function mappingOf(options: Options) {
  const files = options.map.filter((text) => !text.includes('=') || existsSync(text));
  let mapping = null;
  for (const name of files) {
    const text = await readFile(name, 'utf8').catch((cause: unknown) => {
      throw new Refusal(`--map ${name}: there is no such file; or write field=column, field:=constant.`, {
        cause,
      });
    });
    mapping = parseMapping(text, name);
  }
  mapping = withArguments(
    mapping,
    options.map.filter((text) => !files.includes(text)),
  );
  return { mapping, timeZone: options.timeZone ?? mapping?.timeZone ?? 'UTC' };
}
