/** Messages about abandoned carts: read again before each attempt. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import {
  buys,
  deliver,
  deliveriesOf,
  happen,
  leavesCart,
  receiver,
  settled,
  site,
  until,
  webhook,
} from './fixture.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const abandoned = ['cart.abandoned', 'checkout.abandoned', 'browse.abandoned'];
const triggersOf = async (siteId: number) => {
  const { rows } = await database.pool.query<{
    state: string;
    reason: string | null;
    delivered_at: Date | null;
  }>('select state, reason, delivered_at from journey.cart_triggers where site_id = $1', [siteId]);
  return rows;
};

test('cart.abandoned carries the cart, its value, where it is taken up again, and whose it is', async () => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver();
  const { webhookId } = await webhook(pool, own, { url: to.url, types: abandoned });
  deliver(pool);
  await happen(pool, own, [leavesCart('ada', { anonymous_id: 'browser-1' })]);
  await settled(pool, webhookId, 1);
  const [message] = to.received;
  expect(message!.body.type).toBe('cart.abandoned');
  expect(message!.body.data).toMatchObject({
    person: {
      user_id: 'ada',
      identities: [
        { type: 'anonymous_id', value: 'browser-1' },
        { type: 'user_id', value: 'ada' },
      ],
    },
    cart_id: 'cart-ada',
    tier: 'cart',
    step: 1,
    episode: 1,
    lines: [{ item_id: 'boots-42', item_name: 'Boots', price: 59.9, quantity: 2, currency: 'EUR' }],
    value: 119.8,
    currency: 'EUR',
    recovery_url: 'https://shop.example/cart/ada',
    origin: 'live',
  });
  expect(await triggersOf(own.siteId)).toMatchObject([{ state: 'delivered' }]);
});

test('every endpoint that is subscribed gets it', async () => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver();
  const hooks = await Promise.all(
    ['/mail', '/ads'].map((path) => webhook(pool, own, { url: to.url + path, types: abandoned })),
  );
  deliver(pool);
  await happen(pool, own, [leavesCart('ada')]);
  for (const { webhookId } of hooks) {
    expect(await settled(pool, webhookId, 1)).toMatchObject([{ state: 'delivered' }]);
  }
  expect(to.received.map(({ path }) => path).sort()).toEqual(['/ads', '/mail']);
});

test.each([
  {
    what: 'a purchase voids it',
    between: [{ ...buys('ada'), at: Date.now() - 30_000 }],
    delivery: { state: 'voided', reason: 'purchased' },
    trigger: { state: 'voided', reason: 'purchased' },
  },
  {
    what: 'who comes back to the cart is not written to',
    between: [leavesCart('ada', { at: Date.now() - 30_000 })],
    delivery: { state: 'voided', reason: 'returned' },
    trigger: { state: 'voided', reason: 'returned' },
  },
  {
    what: 'consent that is withdrawn holds it back',
    between: [
      {
        at: Date.now() - 30_000,
        user_id: 'ada',
        context: { consent: { analytics: true, marketing: false } },
      },
    ],
    delivery: { state: 'held', reason: 'consent' },
    trigger: { state: 'suppressed', reason: 'consent' },
  },
  {
    what: 'an opt-out holds it back',
    between: [
      { at: Date.now() - 30_000, type: 'identify' as const, user_id: 'ada', traits: { unsubscribed: true } },
    ],
    delivery: { state: 'held', reason: 'opt_out' },
    trigger: { state: 'suppressed', reason: 'opt_out' },
  },
])('between two attempts $what', async ({ between, delivery, trigger }) => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver((_, response) => void response.writeHead(500).end());
  const { webhookId } = await webhook(pool, own, { url: to.url, types: abandoned });
  const stop = deliver(pool, { schedule: [60_000, 60_000] });
  await happen(pool, own, [leavesCart('ada')]);
  await until(async () => (await deliveriesOf(pool, webhookId))[0]?.attempt_count === 1);
  await stop();
  const sent = to.received.length;
  await happen(pool, own, between);
  // however late the second attempt is due
  await pool.query('update store.webhook_deliveries set next_attempt_at = now() where webhook_id = $1', [
    webhookId,
  ]);
  deliver(pool);
  expect(await settled(pool, webhookId, 1)).toMatchObject([delivery]);
  expect(to.received).toHaveLength(sent);
  expect(await triggersOf(own.siteId)).toMatchObject([{ ...trigger, delivered_at: null }]);
});

test('an attempt of which nobody knows how it ended counts as delivered, and is made again under the same id', async () => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver((_, response, count) => {
    if (count > 1) response.writeHead(204).end();
  });
  const { webhookId } = await webhook(pool, own, { url: to.url, types: abandoned });
  deliver(pool, { timeoutMs: 300 });
  await happen(pool, own, [leavesCart('ada')]);
  await until(async () => (await triggersOf(own.siteId))[0]?.state === 'delivered');
  expect(await settled(pool, webhookId, 1)).toMatchObject([{ state: 'delivered', attempt_count: 2 }]);
  expect(new Set(to.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
});

test('one that no endpoint could be told of is voided, and a cart bought after one that was is recovered', async () => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver((request, response) => {
    const isAda = request.body.data['cart_id'] === 'cart-ada';
    response.writeHead(isAda ? 400 : 200).end();
  });
  const { webhookId } = await webhook(pool, own, { url: to.url, types: [...abandoned, 'cart.recovered'] });
  deliver(pool);
  await happen(pool, own, [leavesCart('ada'), leavesCart('ben')]);
  await settled(pool, webhookId, 2);
  expect((await triggersOf(own.siteId)).map(({ state, reason }) => `${state} ${reason}`).sort()).toEqual([
    'delivered null',
    'voided undeliverable',
  ]);
  await happen(
    pool,
    own,
    ['ada', 'ben'].map((who) => ({
      ...buys(who),
      at: Date.now(),
      properties: { ...buys(who).properties, cart_id: `cart-${who}` },
    })),
    new Date(Date.now() + 1_000),
  );
  await settled(pool, webhookId, 3);
  const { rows } = await pool.query<{ cart_id: string; state: string }>(
    'select cart_id, state from journey.carts where site_id = $1 order by cart_id',
    [own.siteId],
  );
  expect(rows).toEqual([
    { cart_id: 'cart-ada', state: 'self_recovered' },
    { cart_id: 'cart-ben', state: 'recovered' },
  ]);
  expect(to.received.at(-1)!.body).toMatchObject({
    type: 'cart.recovered',
    data: { after: { cart_id: 'cart-ben' } },
  });
});

const program = fileURLToPath(new URL('deliverer.ts', import.meta.url));

async function delivererProcess(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [program, database.url, '1500'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

test('each of 300 triggers is delivered to a flaky receiver, though deliverers are killed on the way', async () => {
  const { pool } = database;
  const own = await site(pool);
  const taken = new Set<string>();
  const to = await receiver((request, response, count) => {
    if (count % 11 === 0) {
      // says nothing
    } else if (count % 7 === 0) {
      response.destroy();
    } else if (count % 5 === 0) {
      response.writeHead(500).end();
    } else {
      taken.add(request.headers['webhook-id']!);
      setTimeout(() => response.writeHead(204).end(), 5);
    }
  });
  const { webhookId } = await webhook(pool, own, { url: to.url, types: abandoned, concurrency: 20 });
  await happen(
    pool,
    own,
    Array.from({ length: 300 }, (_, index) => leavesCart(`buyer-${index}`)),
  );

  const first = await delivererProcess();
  const second = await delivererProcess();
  await until(() => to.received.length > 60);
  first.kill('SIGKILL');
  await until(() => to.received.length > 150);
  second.kill('SIGKILL');
  await Promise.all([delivererProcess(), delivererProcess()]);

  const rows = await settled(pool, webhookId, 300);
  expect(rows).toHaveLength(300);
  expect(new Set(rows.map(({ state }) => state))).toEqual(new Set(['delivered']));
  expect([...taken].sort()).toEqual(rows.map(({ delivery_id }) => delivery_id).sort());
  expect(new Set((await triggersOf(own.siteId)).map(({ state }) => state))).toEqual(new Set(['delivered']));
  // one trigger a cart, and a trigger never under two ids
  const carts = to.received.map(
    ({ headers, body }) => `${headers['webhook-id']} ${String(body.data['cart_id'])}`,
  );
  expect(new Set(carts).size).toBe(300);
}, 90_000);
