import type { Command } from 'commander';
import { readState } from '../demo/state.ts';
import { signInLink } from '../home/sign-in.ts';
import { demoFolder, printOne, withDatabase } from './terminal.ts';

/** `milepost sign-in`. */
export function register(program: Command): void {
  program
    .command('sign-in')
    .description('Print a link that signs a browser in to the page at /; it works for 24 hours')
    .option('--url <url>', 'where Milepost is reached from the browser (default: the demo running here)')
    .option('--json', 'print the result as one JSON line')
    .action(async (options: { url?: string; json?: boolean }) => {
      const url = (options.url ?? readState(demoFolder).url ?? 'http://127.0.0.1:4000').replace(/\/$/, '');
      printOne({ link: await withDatabase((pool) => signInLink({ pool, url })) }, options);
    });
}
