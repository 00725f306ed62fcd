import { type Command, InvalidArgumentError } from 'commander';

import { simulate } from '../simulate/simulate.ts';
import { collect } from './arguments.ts';

/** `milepost simulate`: reproducible traffic for a running collector or a file. */
export function register(program: Command): void {
  program
    .command('simulate')
    .description(
      'Make reproducible traffic: sent to a running collector (by default the one of .milepost/demo.json), or written as NDJSON with --out',
    )
    .option('--profile <name>', 'shop: journeys of a shop; bench: the dense load of the benchmarks', 'shop')
    .option('--seed <number>', 'the same seed and start give the same touchpoints and ids', wholeNumber, 1)
    .option('--persons <count>', 'how many persons begin a journey (shop: 500, bench: 200000)', wholeNumber)
    .option('--days <count>', 'shop: over how many days their journeys spread', wholeNumber, 30)
    .option('--start <instant>', 'ISO 8601; default: midnight UTC `--days` ago; bench: an hour ago', instant)
    .option(
      '--touchpoints <count>',
      'stop after so many touchpoints (shop: no limit, bench: 100000)',
      wholeNumber,
    )
    .option('--seconds <count>', 'stop sending after so many seconds', wholeNumber)
    .option('--rate <count>', 'touchpoints a second at most; default: as fast as it goes', wholeNumber)
    .option('--connections <count>', 'requests under way at once', wholeNumber, 8)
    .option('--url <url>', 'the collector')
    .option('--write-key <key>', 'once for each site', collect, [])
    .option('--secret-key <key>', 'for what the shop’s own server says (delivery, refund, till)', collect, [])
    .option('--out <file>', 'write NDJSON to this file instead of sending; - is standard output')
    .option('--json', 'print the result as one JSON line, no progress bar')
    .action(async (options: Parameters<typeof simulate>[0]) => {
      const summary = await simulate(options);
      if (options.out !== '-') process.stdout.write(`${summary}\n`);
    });
}

function wholeNumber(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError('Give a whole number.');
  return Number(text);
}

function instant(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new InvalidArgumentError('Write it like 2026-11-01T00:00:00Z.');
  return ms;
}
