import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import { readConfig } from '../config.ts';
import { inOneSentence } from './terminal.ts';

/** `milepost serve`: one process with the roles that `ROLES` names. */
export function register(program: Command): void {
  program
    .command('serve')
    .description(
      'Start the collector: ingest, write, derive and api in one process, or those that ROLES names',
    )
    .addHelpText(
      'after',
      `
Settings come from the environment; every bad one is named before anything listens:
  DATABASE_URL          postgres://user:password@host:5432/milepost (required)
  HOST, PORT            where to listen (127.0.0.1, 4000)
  ROLES                 ingest,write,derive,deliver,api
  BUFFER_URL            lmdb:<folder>, where accepted touchpoints wait for PostgreSQL (lmdb:.milepost/buffer)
  BUFFER_LIMIT_MB       what the buffer may take on disk before ingest answers 503 (4096)
  DATABASE_CONNECTIONS  most connections to PostgreSQL (10)
  RATE_LIMIT            requests a minute by key and address, 0 for none (300000)
  IMPORT_FOLDER         where bodies of POST /v1/import lie until they are stored (.milepost/imports)
  IMPORT_LIMIT_MB       what one of them may have, as it is sent (1024)
  TRUST_PROXY           true for one proxy in front, a number of them, or their addresses (false)
  METRICS_TOKEN         opens /metrics to others than this machine
  LOG_LEVEL             fatal, error, warn, info, debug, trace, silent (info)`,
    )
    .action(async () => {
      try {
        // Up to twice what lives in it; V8's own measure, four times, is for machines of their own. Less costs more CPU.
        setFlagsFromString('--heap-growing-percent=100');
        const { serveUntilSignal } = await import('../server.ts'); // heavy: not for the sake of --help
        await serveUntilSignal(readConfig(process.env));
      } catch (error) {
        throw inOneSentence(error);
      }
    });
}
