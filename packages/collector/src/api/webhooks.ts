import type { Pool } from 'pg';
import type { z } from 'zod';
import type { Access } from './access.ts';
import type { List } from './page.ts';
import { queryRows } from './rows.ts';
import type { deliveryWithAttemptsSchema, webhookSchema } from './webhook-schema.ts';

export type Webhook = z.infer<typeof webhookSchema>;
export type DeliveryWithAttempts = z.infer<typeof deliveryWithAttemptsSchema>;

const columns = `webhooks.webhook_id, webhooks.url, webhooks.description, webhooks.types, webhooks.origins,
  webhooks.concurrency, webhooks.is_enabled, webhooks.disabled_reason, webhooks.failure_count, webhooks.paused_until,
  webhooks.created_at, webhooks.updated_at`;

/** Every webhook of the site: there are a hundred at most. */
export async function webhooksOf(pool: Pool, { siteId }: Access): Promise<Webhook[]> {
  return queryRows<Webhook>(pool, {
    text: `select ${columns} from store.webhooks where webhooks.site_id = $1 order by webhooks.created_at, webhooks.webhook_id`,
    values: [siteId],
  });
}

/** One webhook, or undefined. */
export async function webhookById(
  pool: Pool,
  { siteId }: Access,
  webhookId: string,
): Promise<Webhook | undefined> {
  const rows = await queryRows<Webhook>(pool, {
    text: `select ${columns} from store.webhooks where webhooks.site_id = $1 and webhooks.webhook_id = $2`,
    values: [siteId, webhookId],
  });
  return rows[0];
}

const deliveryColumns = `webhook_deliveries.delivery_id, webhook_deliveries.webhook_id, webhook_deliveries.type,
  webhook_deliveries.person_id, webhook_deliveries.trigger_id, webhook_deliveries.state, webhook_deliveries.reason,
  webhook_deliveries.created_at, webhook_deliveries.next_attempt_at, webhook_deliveries.attempt_count,
  webhook_deliveries.last_attempt_at, webhook_deliveries.last_status, webhook_deliveries.last_error,
  webhook_deliveries.delivered_at`;

/** The deliveries of a webhook by time. */
export const deliveryList: List = {
  name: 'webhook-deliveries',
  columns: deliveryColumns,
  from: 'journey.webhook_deliveries',
  siteColumn: 'webhook_deliveries.site_id',
  key: [
    { column: 'webhook_deliveries.created_at', type: 'timestamptz' },
    { column: 'webhook_deliveries.delivery_id', type: 'uuid' },
  ],
};

/** One delivery with what was sent and answered, or undefined. */
export async function deliveryById(
  pool: Pool,
  { siteId }: Access,
  { webhookId, deliveryId }: { webhookId: string; deliveryId: string },
): Promise<DeliveryWithAttempts | undefined> {
  const [delivery] = await queryRows<DeliveryWithAttempts>(pool, {
    text: `select ${deliveryColumns}, stored.body
      from journey.webhook_deliveries
      join store.webhook_deliveries as stored
        on stored.site_id = webhook_deliveries.site_id and stored.delivery_id = webhook_deliveries.delivery_id
      where webhook_deliveries.site_id = $1 and webhook_deliveries.webhook_id = $2 and webhook_deliveries.delivery_id = $3`,
    values: [siteId, webhookId, deliveryId],
  });
  if (delivery === undefined) return undefined;
  const attempts = await queryRows<DeliveryWithAttempts['attempts'][number]>(pool, {
    text: `select webhook_attempts.attempt, webhook_attempts.started_at, webhook_attempts.ended_at, webhook_attempts.status,
        webhook_attempts.error, webhook_attempts.headers, webhook_attempts.answer
      from store.webhook_attempts
      where webhook_attempts.site_id = $1 and webhook_attempts.delivery_id = $2
      order by webhook_attempts.attempt`,
    values: [siteId, deliveryId],
  });
  return { ...delivery, attempts };
}
