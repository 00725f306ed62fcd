import { randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';

/** What a webhook is set to. */
export type WebhookSettings = {
  url: string;
  description: string;
  types: string[];
  origins: string[];
  concurrency: number;
  is_enabled: boolean;
};

/** How many webhooks a site may have: each reads the feed for itself. */
export const mostWebhooks = 100;

/** A secret of the Standard Webhooks specification: 32 random bytes. */
export const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

/** Makes a webhook that is told of what changes from now on. Null where the site has as many as it may. */
export async function createWebhook(
  db: pg.Pool,
  siteId: number,
  settings: WebhookSettings,
): Promise<{ webhookId: string; secret: string } | null> {
  const webhookId = randomUUID();
  const secret = newSecret();
  const { rowCount } = await db.query(
    `with made as (
       insert into store.webhooks
         (site_id, webhook_id, url, description, types, origins, concurrency, is_enabled, disabled_reason, cursor)
       select $1, $2, $4, $5, $6, $7, $8, $9, case when not $9 then 'by_hand' end,
         coalesce((select feeds.last_cursor from store.feeds where feeds.site_id = $1), 0)
       where (select count(*) from store.webhooks where webhooks.site_id = $1) < $10
       returning site_id, webhook_id
     )
     insert into store.webhook_secrets (site_id, webhook_id, secret_id, secret)
     select made.site_id, made.webhook_id, gen_random_uuid(), $3 from made`,
    [
      siteId,
      webhookId,
      secret,
      settings.url,
      settings.description,
      settings.types,
      settings.origins,
      settings.concurrency,
      settings.is_enabled,
      mostWebhooks,
    ],
  );
  return rowCount === 0 ? null : { webhookId, secret };
}

/** Changes what is given. One that is enabled again begins with what changes from then on. False where there is none. */
export async function updateWebhook(
  db: pg.Pool,
  { siteId, webhookId }: { siteId: number; webhookId: string },
  changes: { [Name in keyof WebhookSettings]?: WebhookSettings[Name] | undefined },
): Promise<boolean> {
  return inTransaction(db, async (client) => {
    if (changes.is_enabled === false) {
      await client.query("select store.disable_webhook($1, $2, 'by_hand')", [siteId, webhookId]);
    }
    const { rowCount } = await client.query(
      `update store.webhooks
       set url = coalesce($3, url), description = coalesce($4, description), types = coalesce($5, types),
         origins = coalesce($6, origins), concurrency = coalesce($7, concurrency),
         cursor = case when $8 and not is_enabled
           then coalesce((select feeds.last_cursor from store.feeds where feeds.site_id = $1), 0) else cursor end,
         -- enabling one that failed tries it at once
         failure_count = case when $8 then 0 else failure_count end,
         paused_until = case when $8 then null else paused_until end,
         disabled_reason = case when $8 then null else disabled_reason end,
         is_enabled = coalesce($8, is_enabled), updated_at = clock_timestamp()
       where site_id = $1 and webhook_id = $2`,
      [
        siteId,
        webhookId,
        changes.url ?? null,
        changes.description ?? null,
        changes.types ?? null,
        changes.origins ?? null,
        changes.concurrency ?? null,
        changes.is_enabled ?? null,
      ],
    );
    return rowCount === 1;
  });
}

/** Deletes a webhook; what waits for it is cancelled, and its log stays until it is dropped by age. False where there is none. */
export async function deleteWebhook(db: pg.Pool, siteId: number, webhookId: string): Promise<boolean> {
  return inTransaction(db, async (client) => {
    await client.query('select store.lock_site($1)', [siteId]); // before any row, as whoever needs both
    const { rowCount } = await client.query(
      'delete from store.webhooks where site_id = $1 and webhook_id = $2',
      [siteId, webhookId],
    );
    await client.query('delete from store.webhook_secrets where site_id = $1 and webhook_id = $2', [
      siteId,
      webhookId,
    ]);
    await client.query("select store.cancel_deliveries($1, $2, 'deleted')", [siteId, webhookId]);
    return rowCount === 1;
  });
}

/**
 * Gives a webhook a new secret. Those before sign beside it for `overlapSeconds`, so that receivers can change over.
 * Null where there is none.
 */
export async function rotateSecret(
  db: pg.Pool,
  { siteId, webhookId }: { siteId: number; webhookId: string },
  overlapSeconds: number,
): Promise<{ secret: string; earlierHoldUntil: Date } | null> {
  const secret = newSecret();
  return inTransaction(db, async (client) => {
    const { rowCount } = await client.query(
      // one at a time, else two in force
      'select from store.webhooks where site_id = $1 and webhook_id = $2 for update',
      [siteId, webhookId],
    );
    if (!rowCount) return null;
    const key = [siteId, webhookId];
    await client.query(
      'delete from store.webhook_secrets where site_id = $1 and webhook_id = $2 and expires_at <= clock_timestamp()',
      key,
    );
    const { rows } = await client.query<{ until: Date }>(
      "select clock_timestamp() + $1 * interval '1 second' as until",
      [overlapSeconds],
    );
    const until = rows[0]!.until;
    await client.query(
      `update store.webhook_secrets set expires_at = least(expires_at, $3) where site_id = $1 and webhook_id = $2`,
      [...key, until],
    );
    await client.query(
      'insert into store.webhook_secrets (site_id, webhook_id, secret_id, secret) values ($1, $2, $3, $4)',
      [...key, randomUUID(), secret],
    );
    return { secret, earlierHoldUntil: until };
  });
}

/** Has a test message sent, also to a webhook that is disabled. Answers its delivery. Null where there is no webhook. */
export async function pingWebhook(db: pg.Pool, siteId: number, webhookId: string): Promise<string | null> {
  const { rows } = await db.query<{ delivery_id: string }>(
    `insert into store.webhook_deliveries (site_id, delivery_id, webhook_id, type)
     select webhooks.site_id, gen_random_uuid(), webhooks.webhook_id, 'webhook.ping'
     from store.webhooks
     where webhooks.site_id = $1 and webhooks.webhook_id = $2
     returning delivery_id`,
    [siteId, webhookId],
  );
  return rows[0]?.delivery_id ?? null;
}

/** Sends one delivery once more, under the id it has. False where there is none that has ended. */
export async function replayDelivery(
  db: pg.Pool,
  siteId: number,
  { webhookId, deliveryId }: { webhookId: string; deliveryId: string },
): Promise<boolean> {
  const { rows } = await db.query<{ is_replayed: boolean }>(
    'select store.replay_delivery($1, $2, $3) as is_replayed',
    [siteId, webhookId, deliveryId],
  );
  return rows[0]?.is_replayed ?? false;
}

/** Sends everything of a time once more; with `states`, only what ended so. Answers how many. */
export async function replayRange(
  db: pg.Pool,
  siteId: number,
  {
    webhookId,
    since,
    until,
    states,
  }: { webhookId: string; since: string; until: string; states: string[] | undefined },
): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    'select store.replay_range($1, $2, $3, $4, $5)::integer as count',
    [siteId, webhookId, since, until, states ?? null],
  );
  return rows[0]?.count ?? 0;
}

async function inTransaction<Result>(
  db: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await db.connect();
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the first error is the one to tell
    throw error;
  } finally {
    client.release();
  }
}
