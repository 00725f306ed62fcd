import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import type pg from 'pg';
import { changeOrigins, changeTypes } from '../api/change-schema.ts';
import { targetProblem, type TargetPolicy } from '../deliver/index.ts';
import {
  createWebhook,
  deleteWebhook,
  mostWebhooks,
  pingWebhook,
  replayDelivery,
  replayRange,
} from '../deliver/webhooks.ts';
import { Refusal } from '../refusal.ts';
import { siteId } from './arguments.ts';
import { printOne, printRows, withDatabase } from './terminal.ts';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const pingPatienceMs = 30_000;

/** `milepost webhook create|list|delete|ping|deliveries|replay`. */
export function register(program: Command): void {
  const webhook = program
    .command('webhook')
    .description('Webhooks: who is sent what changes, as Standard Webhooks wants it');

  webhook
    .command('create')
    .description('Make a webhook, which is told of what changes from now on; its secret is shown this once')
    .argument('<url>', 'where to post to')
    .requiredOption('--site <site>', 'the number of the site', siteId)
    .requiredOption('--type <type...>', 'the types of changes it is told of')
    .option('--origin <origin...>', 'the origins of changes it is told of; default: live, late and merge')
    .option('--description <text>', 'what it is for', '')
    .option('--json', 'print the result as one JSON line')
    .addHelpText(
      'after',
      `\nTypes:\n  ${changeTypes.join('\n  ')}\n\nOrigins:\n  ${changeOrigins.join(', ')}\n\nAbandoned carts to a shop:\n  $ milepost webhook create https://shop.example/hooks --site 1 --type cart.abandoned checkout.abandoned`,
    )
    .action(async (url: string, options: CreateOptions) => {
      const settings = settingsOf(url, options);
      const made = await withDatabase(async (pool) => {
        const { rowCount } = await pool.query('select from store.sites where site_id = $1', [options.site]);
        if (!rowCount) throw new Refusal(`there is no site ${options.site}; milepost site list shows them.`);
        return createWebhook(pool, options.site, settings);
      });
      if (made === null) throw new Refusal(`a site has ${mostWebhooks} webhooks at most; delete one.`);
      printOne(
        {
          site_id: options.site,
          webhook_id: made.webhookId,
          url,
          types: settings.types,
          secret: made.secret,
        },
        options,
      );
    });

  webhook
    .command('list')
    .description('Show the webhooks of a site, or of all')
    .option('--site <site>', 'only those of this site', siteId)
    .option('--json', 'print as JSON')
    .action(async (options: { site?: number; json?: boolean }) => {
      const rows = await withDatabase((pool) => listWebhooks(pool, options.site));
      printRows(rows, options);
    });

  webhook
    .command('delete')
    .description('End a webhook; what waits for it is cancelled, what it was sent stays in the log')
    .argument('<webhook>', 'its webhook_id')
    .option('--json', 'print the result as one JSON line')
    .action(async (id: string, options: { json?: boolean }) => {
      await withDatabase(async (pool) => deleteWebhook(pool, await siteOf(pool, id), id));
      printOne({ webhook_id: id, deleted: true }, options);
    });

  webhook
    .command('ping')
    .description('Send a test message by the running collector, and show what was answered')
    .argument('<webhook>', 'its webhook_id')
    .option('--json', 'print the result as one JSON line')
    .action(async (id: string, options: { json?: boolean }) => {
      const delivery = await withDatabase(async (pool) => {
        const deliveryId = await pingWebhook(pool, await siteOf(pool, id), id);
        return answered(pool, deliveryId ?? '');
      });
      printOne(delivery, options);
      if (delivery.state !== 'delivered') process.exitCode = 1;
    });

  webhook
    .command('deliveries')
    .description('Show what a webhook was told last, newest first')
    .argument('<webhook>', 'its webhook_id')
    .addOption(
      new Option('--state <state>', 'only those that stand so').choices([
        'pending',
        'sending',
        'delivered',
        'failed',
        'voided',
        'held',
        'cancelled',
      ]),
    )
    .option('--limit <count>', 'how many', '20')
    .option('--json', 'print as JSON')
    .action(async (id: string, options: { state?: string; limit: string; json?: boolean }) => {
      const rows = await withDatabase(async (pool) => {
        await siteOf(pool, id);
        const { rows: found } = await pool.query<object>(
          `select delivery_id, type, state, reason, created_at, attempt_count, last_status, last_error, next_attempt_at
           from journey.webhook_deliveries
           where webhook_id = $1 and ($2::text is null or state = $2)
           order by created_at desc, delivery_id desc
           limit $3`,
          [id, options.state ?? null, countOf(options.limit)],
        );
        return found;
      });
      printRows(rows, options);
    });

  webhook
    .command('replay')
    .description('Send once more what a webhook was told, each message under the id it has')
    .argument('<webhook>', 'its webhook_id')
    .option('--delivery <delivery>', 'one delivery, by its delivery_id')
    .option('--since <instant>', 'all of a time: what changed at or after this instant')
    .option('--until <instant>', 'and before this one; default: now')
    .option('--state <state...>', 'only deliveries that ended so, as in --state failed')
    .option('--json', 'print the result as one JSON line')
    .addHelpText(
      'after',
      '\nWhat failed while the receiver was down:\n  $ milepost webhook replay <webhook> --since 2026-11-20T08:00:00Z --state failed',
    )
    .action(async (id: string, options: ReplayOptions) => {
      const replayed = await withDatabase((pool) => replay(pool, id, options));
      printOne({ webhook_id: id, replayed }, options);
    });
}

type CreateOptions = { site: number; type: string[]; origin?: string[]; description: string; json?: boolean };
type ReplayOptions = { delivery?: string; since?: string; until?: string; state?: string[]; json?: boolean };

function settingsOf(url: string, { type, origin = ['live', 'late', 'merge'], description }: CreateOptions) {
  // the collector that sends decides again, at the very connection
  const policy: TargetPolicy = process.env['WEBHOOK_TARGETS'] === 'any' ? 'any' : 'public';
  const problem = targetProblem(url, policy);
  if (problem !== null) throw new Refusal(`the address ${problem}.`);
  const types = wordsOf(type, changeTypes, 'type');
  const origins = wordsOf(origin, changeOrigins, 'origin');
  return { url, description, types, origins, concurrency: 5, is_enabled: true };
}

function wordsOf(texts: string[], known: readonly string[], what: string): string[] {
  const words = texts.flatMap((text) => text.split(','));
  const unknown = words.filter((word) => !known.includes(word));
  if (unknown.length > 0)
    throw new Refusal(`there is no ${what} ${unknown.join(', ')}; there are ${known.join(', ')}.`);
  return words;
}

/** The site of a webhook. */
async function siteOf(pool: pg.Pool, webhookId: string): Promise<number> {
  const { rows } = uuid.test(webhookId)
    ? await pool.query<{ site_id: number }>('select site_id from store.webhooks where webhook_id = $1', [
        webhookId,
      ])
    : { rows: [] };
  const [webhook] = rows;
  if (!webhook) throw new Refusal('there is no such webhook; milepost webhook list shows them.');
  return webhook.site_id;
}

async function listWebhooks(pool: pg.Pool, site: number | undefined): Promise<object[]> {
  const { rows } = await pool.query<object>(
    `select site_id, webhook_id, url, types, is_enabled, disabled_reason, failure_count, paused_until, description
     from store.webhooks
     where $1::integer is null or site_id = $1
     order by site_id, created_at, webhook_id`,
    [site ?? null],
  );
  return rows;
}

type Answered = { delivery_id: string; state: string; last_status: number | null; last_error: string | null };

/** Waits for the end of a delivery. */
async function answered(pool: pg.Pool, deliveryId: string): Promise<Answered> {
  for (const deadline = Date.now() + pingPatienceMs; Date.now() < deadline; await sleep(200)) {
    const { rows } = await pool.query<Answered>(
      `select delivery_id, state, last_status, last_error from journey.webhook_deliveries where delivery_id = $1`,
      [deliveryId],
    );
    if (rows[0] && rows[0].state !== 'pending' && rows[0].state !== 'sending') return rows[0];
  }
  throw new Refusal('nobody sends it; does a collector with the role deliver run on this database?');
}

async function replay(pool: pg.Pool, webhookId: string, options: ReplayOptions): Promise<number> {
  const site = await siteOf(pool, webhookId);
  if (options.delivery !== undefined) {
    const isReplayed =
      uuid.test(options.delivery) &&
      (await replayDelivery(pool, site, { webhookId, deliveryId: options.delivery }));
    if (!isReplayed) throw new Refusal('the webhook has no such delivery that has ended.');
    return 1;
  }
  if (options.since === undefined) throw new Refusal('say --delivery, or --since and perhaps --until.');
  return replayRange(pool, site, {
    webhookId,
    since: instantOf(options.since),
    until:
      options.until === undefined ? new Date(Date.now() + 60_000).toISOString() : instantOf(options.until),
    states: options.state,
  });
}

function instantOf(text: string): string {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new Refusal(`${text} is no instant; write it like 2026-11-20T08:00:00Z.`);
  return new Date(at).toISOString();
}

function countOf(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Refusal('--limit is a whole number from 1 to 9999.');
  return Number(text);
}
