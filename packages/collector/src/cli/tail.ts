import { styleText } from 'node:util';
import type { Command } from 'commander';
import type pg from 'pg';
import type { DebugEvent, Derived } from '../debug/events.ts';
import { watchArrivals } from '../debug/watch.ts';
import { Refusal } from '../refusal.ts';
import { siteId } from './arguments.ts';
import { withDatabase } from './terminal.ts';

type Options = { site?: number; event?: string[]; rejected?: boolean; json?: boolean };

/** `milepost tail`: what arrives now. */
export function register(program: Command): void {
  program
    .command('tail')
    .description('Watch what arrives: each event with its verdict, then its person, signal and stage')
    .option('--site <number>', 'whose; needless where there is one site', siteId)
    .option('--event <name...>', 'only touchpoints of these names')
    .option('--rejected', 'only what was not stored')
    .option('--json', 'one JSON object a line, as GET /v1/debug/stream tells them')
    .addHelpText(
      'after',
      `
Ctrl-C ends it. It reads PostgreSQL, so it sees what every collector takes in; imports are not shown. Programs
follow GET /v1/changes, where nothing is ever left out.

While you embed the snippet:
  $ milepost tail --site 1

What does a release send wrong:
  $ milepost tail --site 1 --rejected --json`,
    )
    .action(async (options: Options) => {
      const stop = new AbortController();
      process.once('SIGINT', () => stop.abort());
      process.once('SIGTERM', () => stop.abort());
      await withDatabase(async (pool) => {
        const site = await siteOf(pool, options.site);
        const arrivals = watchArrivals(pool, site.siteId, { withContacts: false, signal: stop.signal });
        let isWatching = false;
        for await (const events of arrivals) {
          if (!isWatching) process.stderr.write(`watching what arrives at ${site.name}; Ctrl-C ends it\n`);
          isWatching = true;
          for (const event of events.filter((each) => isWanted(each, options))) {
            process.stdout.write(options.json ? `${JSON.stringify(event)}\n` : lineOf(event));
          }
        }
      });
    });
}

async function siteOf(pool: pg.Pool, given: number | undefined): Promise<{ siteId: number; name: string }> {
  const { rows } = await pool.query<{ site_id: number; name: string }>(
    'select site_id, name from store.sites where $1::integer is null or site_id = $1 order by site_id limit 2',
    [given ?? null],
  );
  const [site, another] = rows;
  if (site === undefined) {
    throw new Refusal(
      given === undefined
        ? 'there is no site yet; milepost site create makes one.'
        : `there is no site ${given}; milepost site list shows them.`,
    );
  }
  if (another !== undefined)
    throw new Refusal('there are several sites; say --site <number>, milepost site list shows them.');
  return { siteId: site.site_id, name: site.name };
}

function isWanted(event: DebugEvent, { event: names, rejected }: Options): boolean {
  if (event.type === 'skipped') return true;
  if (rejected && event.type !== 'rejected') return false;
  if (names === undefined) return true;
  return 'name' in event && event.name !== null && names.includes(event.name);
}

const verdictStyles = { accepted: 'green', bot: 'yellow', internal: 'yellow', rejected: 'red' } as const;

/** One line for a person at a terminal. */
function lineOf(event: DebugEvent): string {
  if (event.type === 'duplicates')
    return aside('duplicate', `${event.count} came again, and changed nothing`);
  if (event.type === 'skipped') return aside('skipped', event.reason);
  if (event.type === 'derived') return derivedLine(event);
  const verdict = styleText(verdictStyles[event.verdict], event.verdict.padEnd(9));
  const start = `${dim(event.received_at.slice(11, 23))} ${verdict} ${plain(event.name ?? '-').padEnd(20)}`;
  if (event.type === 'rejected') return `${start} ${event.reason} ${plain(event.detail ?? '')}\n`;
  const who = event.user_id === null ? event.visitor_id : `user ${event.user_id}`;
  const parts = [event.source, who, event.page, ...event.reasons.map((reason) => `[${reason}]`)];
  return `${start} ${plain(parts.filter(Boolean).join('  '))}\n`;
}

function derivedLine({ transition, person_id: personId, signal, stage, name }: Derived): string {
  const because = signal === null ? '' : ` (${plain(signal)})`;
  const moved =
    transition === null
      ? plain(stage ?? 'no stage yet')
      : `${plain(transition.from_stage ?? 'new')} → ${styleText('bold', plain(transition.to_stage))}`;
  return `${dim(`${indent}└ ${plain(name)} of person ${personId}:`)} ${moved}${because}\n`;
}

const indent = ' '.repeat(13);
const dim = (text: string) => styleText('dim', text);
const aside = (word: string, text: string) => `${indent}${styleText('yellow', word)} ${text}\n`;

/** What comes from outside must not steer the terminal. */
function plain(text: string): string {
  return text.replaceAll(/[\u0000-\u001F\u007F-\u009F]/g, '·');
}
