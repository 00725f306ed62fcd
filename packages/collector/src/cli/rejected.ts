import { readFile } from 'node:fs/promises';

import type { Command } from 'commander';

import { Refusal } from '../refusal.ts';
import { replay } from '../rejected/replay.ts';
import { siteId } from './arguments.ts';
import { printOne, printRows, withDatabase } from './terminal.ts';

type Choice = { site: number; reason?: string; since?: string; until?: string; json?: boolean };

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `milepost rejected list|show|replay`. */
export function register(program: Command): void {
  const rejected = program
    .command('rejected')
    .description('Events that were not stored: see, repair, replay them');

  chosen(rejected.command('list').description('The newest rejected events'))
    .option('--limit <number>', 'how many', '100')
    .action(async (options: Choice & { limit: string }) => {
      const limit = Number(options.limit);
      if (!Number.isInteger(limit) || limit < 1) throw new Refusal('--limit is a whole number from 1.');
      const { reason, since, until } = checked(options);
      const { rows } = await withDatabase((pool) =>
        pool.query<object>(
          `select rejected_id, received_at, reason, detail, ingested_by, replay_result
           from journey.rejected_events
           where site_id = $1 and ($2::text is null or reason = $2)
             and ($3::timestamptz is null or received_at >= $3) and ($4::timestamptz is null or received_at < $4)
           order by received_at desc, rejected_id desc limit $5`,
          [options.site, reason, since, until, limit],
        ),
      );
      printRows(rows, options);
    });

  rejected
    .command('show')
    .description('One of them, with all it says')
    .argument('<id>', 'its rejected_id', rejectedId)
    .requiredOption('--site <number>', 'the number of the site', siteId)
    .option('--json', 'print the result as one JSON line')
    .action(async (id: string, options: Choice) => {
      const { rows } = await withDatabase((pool) =>
        pool.query<object>('select * from journey.rejected_events where site_id = $1 and rejected_id = $2', [
          options.site,
          id,
        ]),
      );
      const [row] = rows;
      if (row === undefined) throw new Refusal(`site ${options.site} has no rejected event ${id}.`);
      printOne(row, options);
    });

  chosen(
    rejected
      .command('replay')
      .description('Judge them again, by what the site is set to now, and store those that are fit')
      .argument('[id...]', 'their rejected_ids; or choose by --reason, --since, --until'),
  )
    .option('--event <file>', 'JSON: what the one event shall say from now on')
    .addHelpText(
      'after',
      '\nEach keeps its id and its times; replaying again stores nothing twice, and no trigger is armed.\n\nAfter a site stopped asking for consent:\n  $ milepost rejected replay --site 1 --reason consent_required --since 2026-11-20',
    )
    .action(async (ids: string[], options: Choice & { event?: string }) => {
      const { reason, since, until } = checked(options);
      const byChoice = [reason, since, until].some((choice) => choice !== undefined);
      if (byChoice === ids.length > 0)
        throw new Refusal('name ids, or choose by --reason, --since, --until.');
      if (options.event !== undefined && ids.length !== 1)
        throw new Refusal('--event repairs one event: name its id.');
      const repaired = new Map<string, string>();
      for (const id of ids.map(rejectedId)) {
        if (options.event !== undefined) repaired.set(id, await readFile(options.event, 'utf8'));
      }
      const selection = byChoice ? { reason, since, until } : { ids };
      printOne(await withDatabase((pool) => replay(pool, options.site, { selection, repaired })), options);
    });
}

/** The options that choose among the events of a site. */
function chosen(command: Command): Command {
  return command
    .requiredOption('--site <number>', 'the number of the site', siteId)
    .option('--reason <reason>', 'only those refused for this reason')
    .option('--since <time>', 'only those received at or after this time, as 2026-11-20T08:00:00Z')
    .option('--until <time>', 'and before this one')
    .option('--json', 'print the result as one JSON line');
}

function checked({ reason, since, until }: Choice) {
  return { reason, since: timeOf('--since', since), until: timeOf('--until', until) };
}

function timeOf(option: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw new Refusal(`${option} is a time, as 2026-11-20T08:00:00Z.`);
  return time.toISOString();
}

function rejectedId(text: string): string {
  if (!uuid.test(text)) throw new Refusal('an id is one that milepost rejected list shows.');
  return text.toLowerCase();
}
