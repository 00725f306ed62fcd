/** A database with a deriver, deliverers and receivers. */
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type pg from 'pg';
import { startDeliver, type DelivererOptions } from '../../src/deliver/index.ts';
import { createWebhook, type WebhookSettings } from '../../src/deliver/webhooks.ts';
import type { SiteSettings } from '../../src/database/sites.ts';
import { Deriver } from '../../src/derive/derive.ts';
import { storeGiven, type Given } from '../derive/given.ts';
import { createSite, type TestSite } from '../support/site.ts';
import { Receiver, type Answer } from './receiver.ts';

export const quiet = { warn: () => {} };

/** Waits that tests can wait for. */
export const quickly = { schedule: [20, 40, 60], leaseMs: 2_000, timeoutMs: 1_000 } as const;

/** A deliverer that may send to this machine, stopped with the test. */
export function deliver(pool: pg.Pool, options: Partial<DelivererOptions> = {}): () => Promise<void> {
  const loop = startDeliver({ pool, log: quiet, policy: 'any', ...quickly, ...options });
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= loop.stop());
  onTestFinished(stop);
  return stop;
}

export async function receiver(answer?: Answer): Promise<Receiver> {
  const started = await Receiver.start(answer);
  onTestFinished(() => started.stop());
  return started;
}

export const site = (pool: pg.Pool, settings: SiteSettings = {}): Promise<TestSite> =>
  createSite(pool, settings);

export async function webhook(
  pool: pg.Pool,
  { siteId }: { siteId: number },
  settings: { url: string } & Partial<WebhookSettings>,
): Promise<{ webhookId: string; secret: string }> {
  const made = await createWebhook(pool, siteId, {
    description: '',
    types: ['order.placed'],
    origins: ['live', 'late', 'merge'],
    concurrency: 5,
    is_enabled: true,
    ...settings,
  });
  return made!;
}

/** Stores touchpoints, derives them, and fires what is due `asOf` (default: now). */
export async function happen(
  pool: pg.Pool,
  at: { siteId: number },
  touchpoints: Given[],
  asOf = new Date(),
): Promise<void> {
  await storeGiven(pool, at, touchpoints);
  const deriver = await Deriver.open(pool);
  try {
    while ((await deriver.deriveBatches()) > 0);
    await deriver.advanceClocks(asOf);
    await deriver.fireTriggers(asOf);
  } finally {
    await deriver.close();
  }
}

export type Delivery = {
  delivery_id: string;
  type: string;
  state: string;
  reason: string | null;
  attempt_count: number;
  last_status: number | null;
  last_error: string | null;
  next_attempt_at: Date | null;
};

export async function deliveriesOf(pool: pg.Pool, webhookId: string): Promise<Delivery[]> {
  const { rows } = await pool.query<Delivery>(
    'select * from journey.webhook_deliveries where webhook_id = $1 order by cursor',
    [webhookId],
  );
  return rows;
}

/** Waits until something is so. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(20);
}

/** Waits until nothing of a webhook is under way any more. */
export async function settled(pool: pg.Pool, webhookId: string, count: number): Promise<Delivery[]> {
  let rows: Delivery[] = [];
  await until(async () => {
    rows = await deliveriesOf(pool, webhookId);
    return rows.length >= count && rows.every(({ state }) => state !== 'pending' && state !== 'sending');
  });
  return rows;
}

const minutesAgo = (minutes: number) => Date.now() - minutes * 60_000;

export const buys = (who: string, order = `order-${who}`): Given => ({
  at: minutesAgo(1),
  name: 'purchase',
  user_id: who,
  properties: { transaction_id: order, currency: 'EUR', value: 59.9 },
});

/** Puts boots into a cart an hour ago, so that it has just been abandoned. */
export const leavesCart = (who: string, more: Partial<Given> = {}): Given => ({
  at: minutesAgo(61),
  name: 'add_to_cart',
  user_id: who,
  properties: {
    cart_id: `cart-${who}`,
    currency: 'EUR',
    items: [{ item_id: 'boots-42', item_name: 'Boots', price: 59.9, quantity: 2 }],
    recovery_url: `https://shop.example/cart/${who}`,
  },
  ...more,
});
