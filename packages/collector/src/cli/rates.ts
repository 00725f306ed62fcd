import { createReadStream } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import type { Command } from 'commander';
import { deriveUntilIdle } from '../derive/index.ts';
import { importRates } from '../rates/import.ts';
import { readRates, UnreadableRates, type RateTable } from '../rates/read.ts';
import { Refusal } from '../refusal.ts';
import { siteId } from './arguments.ts';
import { printOne, withDatabase } from './terminal.ts';

/** `milepost rates import`: exchange rates from a file. */
export function register(program: Command): void {
  const rates = program
    .command('rates')
    .description('Exchange rates: what amounts in other currencies come to in the site’s');

  rates
    .command('import')
    .description(
      'Store the exchange rates of days: eurofxref.csv or eurofxref-hist.csv of the ECB, CSV with the columns day, currency, rate and perhaps base, or JSON; .gz too. A day that comes again is replaced',
    )
    .argument('<file>', '- reads from the standard input')
    .requiredOption('--site <number>', 'the site they are for', siteId)
    .option('--no-derive', 'leave amounts that change to the running collector')
    .option('--json', 'print the result as one JSON line')
    .addHelpText(
      'after',
      `
A rate is how much of a currency one unit of the base is worth; the base is EUR unless a column says otherwise. An order
is converted by the rate of its day, else of the latest day before with one, seven days back at most.

Example, all that the ECB has published since 1999:
  $ curl -s https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist.zip | funzip | milepost rates import - --site 1`,
    )
    .action(run);
}

async function run(file: string, options: { site: number; derive: boolean; json?: boolean }): Promise<void> {
  const table = await tableIn(file);
  const imported = await withDatabase(async (pool) => {
    const { rowCount } = await pool.query('select from store.sites where site_id = $1', [options.site]);
    if (!rowCount) throw new Refusal(`there is no site ${options.site}; milepost site list shows them.`);
    const done = await importRates(pool, { siteId: options.site, table });
    if (options.derive && done.changed_days > 0) await deriveUntilIdle(pool);
    return done;
  });
  printOne(imported, options);
}

async function tableIn(file: string): Promise<RateTable> {
  const stream = file === '-' ? process.stdin : createReadStream(file);
  const bytes = await buffer(stream).catch((cause: unknown) => {
    throw new Refusal(`${file} cannot be read.`, { cause });
  });
  try {
    return readRates((bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString());
  } catch (cause) {
    if (cause instanceof UnreadableRates) {
      throw new Refusal(`${file} is not rates. ${cause.message}`, { cause });
    }
    throw new Refusal(`${file} cannot be unpacked.`, { cause });
  }
}
