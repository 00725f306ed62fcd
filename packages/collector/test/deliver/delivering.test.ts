/** What is sent to whom, and what becomes of it. */
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deleteWebhook, pingWebhook, rotateSecret, updateWebhook } from '../../src/deliver/webhooks.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { buys, deliver, deliveriesOf, happen, receiver, settled, site, until, webhook } from './fixture.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const named = (name: string) => buys(name);

test('a change is sent to who is subscribed to its type, signed as Standard Webhooks wants it', async () => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver();
  const { webhookId, secret } = await webhook(pool, own, { url: `${to.url}/orders` });
  await webhook(pool, own, { url: `${to.url}/refunds`, types: ['order.refunded'] });
  await webhook(pool, own, { url: `${to.url}/imports`, origins: ['import'] });
  deliver(pool);
  await happen(pool, own, [named('ada')]);
  const [delivery] = await settled(pool, webhookId, 1);

  expect(to.received).toHaveLength(1);
  const [message] = to.at('/orders');
  expect(new Webhook(secret).verify(message!.text, message!.headers)).toEqual(message!.body);
  expect(message!.headers).toMatchObject({
    'webhook-id': delivery!.delivery_id,
    'content-type': 'application/json',
    'user-agent': 'Milepost-Webhooks/1',
  });
  expect(message!.body).toMatchObject({
    type: 'order.placed',
    timestamp: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    data: {
      person: { user_id: 'ada', identities: [{ type: 'user_id', value: 'ada' }] },
      subject_id: 'order-ada',
      origin: 'live',
      before: null,
      after: { gross: 59.9, currency: 'EUR' },
    },
  });
  expect(message!.text).toMatch('"gross": 59.9');
  expect(delivery).toMatchObject({ state: 'delivered', attempt_count: 1, last_status: 204 });
});

test('a webhook is told of what changes after it was made', async () => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver();
  await happen(pool, own, [named('before')]);
  const { webhookId } = await webhook(pool, own, { url: to.url });
  deliver(pool);
  await happen(pool, own, [named('after')]);
  await settled(pool, webhookId, 1);
  expect(to.received.map(({ body }) => body.data['subject_id'])).toEqual(['order-after']);
});

test('what fails is sent again under the same id, until it is taken', async () => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver(
    (_, response, count) => void response.writeHead(count < 3 ? 500 : 200).end('noted'),
  );
  const { webhookId } = await webhook(pool, own, { url: to.url });
  deliver(pool);
  await happen(pool, own, [named('ada')]);
  expect(await settled(pool, webhookId, 1)).toMatchObject([{ state: 'delivered', attempt_count: 3 }]);
  expect(new Set(to.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  const { rows } = await pool.query(
    'select attempt, status, answer from store.webhook_attempts where site_id = $1 order by attempt',
    [own.siteId],
  );
  expect(rows).toEqual([
    { attempt: 1, status: 500, answer: 'noted' },
    { attempt: 2, status: 500, answer: 'noted' },
    { attempt: 3, status: 200, answer: 'noted' },
  ]);
});

test('after the last attempt of the schedule it is given up', async () => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver((_, response) => void response.writeHead(503).end());
  const { webhookId } = await webhook(pool, own, { url: to.url });
  deliver(pool);
  await happen(pool, own, [named('ada')]);
  expect(await settled(pool, webhookId, 1)).toMatchObject([
    { state: 'failed', reason: 'exhausted', attempt_count: 4 },
  ]);
});

test('Retry-After is waited for, by the whole webhook', async () => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver((_, response, count) =>
    count === 1
      ? void response.writeHead(429, { 'retry-after': '1' }).end()
      : void response.writeHead(200).end(),
  );
  const { webhookId } = await webhook(pool, own, { url: to.url, concurrency: 1 });
  deliver(pool);
  await happen(pool, own, [named('ada'), named('ben')]);
  await settled(pool, webhookId, 2);
  expect(to.received).toHaveLength(3);
  const { rows } = await pool.query<{ started_at: Date; ended_at: Date }>(
    'select started_at, ended_at from store.webhook_attempts where site_id = $1 order by started_at',
    [own.siteId],
  );
  expect(Number(rows[1]!.started_at)).toBeGreaterThanOrEqual(Number(rows[0]!.ended_at) + 1_000);
});

test('410 disables the webhook, and nothing more is sent to it', async () => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver((_, response) => void response.writeHead(410).end());
  const { webhookId } = await webhook(pool, own, { url: to.url, concurrency: 1 });
  deliver(pool);
  await happen(pool, own, [named('ada'), named('ben')]);
  const rows = await settled(pool, webhookId, 2);
  expect(rows.map(({ state, reason }) => `${state} ${reason}`).sort()).toEqual([
    'cancelled gone',
    'failed gone',
  ]);
  await happen(pool, own, [named('cy')]);
  expect(to.received).toHaveLength(1);
  const { rows: hooks } = await pool.query(
    'select is_enabled, disabled_reason from store.webhooks where site_id = $1',
    [own.siteId],
  );
  expect(hooks).toEqual([{ is_enabled: false, disabled_reason: 'gone' }]);
});

test('during a rotation both secrets sign, and after it the new one alone', async () => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver();
  const { webhookId, secret: first } = await webhook(pool, own, { url: to.url });
  const key = { siteId: own.siteId, webhookId };
  const { secret: second } = (await rotateSecret(pool, key, 3_600))!;
  deliver(pool);
  await happen(pool, own, [named('ada')]);
  await settled(pool, webhookId, 1);
  const { secret: third } = (await rotateSecret(pool, key, 0))!;
  await happen(pool, own, [named('ben')]);
  await settled(pool, webhookId, 2);

  const takes = (secret: string, message: (typeof to.received)[number]) => {
    try {
      return Boolean(new Webhook(secret).verify(message.text, message.headers));
    } catch {
      return false;
    }
  };
  const taken = to.received.map((message) => [first, second, third].map((secret) => takes(secret, message)));
  expect(taken).toEqual([
    [true, true, false],
    [false, false, true],
  ]);
});

test('a disabled or deleted webhook is sent nothing, and a ping reaches one that is disabled', async () => {
  const { pool } = database;
  const own = await site(pool);
  const to = await receiver();
  const off = await webhook(pool, own, { url: `${to.url}/off` });
  const deleted = await webhook(pool, own, { url: `${to.url}/deleted` });
  const key = { siteId: own.siteId, webhookId: off.webhookId };
  await updateWebhook(pool, key, { is_enabled: false });
  expect(await deleteWebhook(pool, own.siteId, deleted.webhookId)).toBe(true);
  deliver(pool);
  await happen(pool, own, [named('ada')]);
  const ping = await pingWebhook(pool, own.siteId, off.webhookId);
  await settled(pool, off.webhookId, 1);
  expect(to.received.map(({ path, body }) => `${path} ${body.type}`)).toEqual(['/off webhook.ping']);
  expect(to.received[0]!.headers['webhook-id']).toBe(ping);

  await updateWebhook(pool, key, { is_enabled: true });
  await happen(pool, own, [named('ben')]);
  await settled(pool, off.webhookId, 2);
  expect(
    to
      .at('/off')
      .slice(1)
      .map(({ body }) => body.data['subject_id']),
  ).toEqual(['order-ben']);
});

describe('a hostile receiver', () => {
  test('that redirects is not followed', async () => {
    const { pool } = database;
    const own = await site(pool);
    const inside = await receiver();
    const to = await receiver(
      (_, response) => void response.writeHead(307, { location: `${inside.url}/admin` }).end(),
    );
    const { webhookId } = await webhook(pool, own, { url: to.url });
    deliver(pool);
    await happen(pool, own, [named('ada')]);
    expect(await settled(pool, webhookId, 1)).toMatchObject([{ state: 'failed', last_status: 307 }]);
    expect(inside.received).toEqual([]);
  });

  test('whose name stands for this machine is never reached', async () => {
    const { pool } = database;
    const own = await site(pool);
    const inside = await receiver();
    const { port } = new URL(inside.url);
    const rebound = await webhook(pool, own, { url: `https://shop.example:${port}/` });
    const literal = await webhook(pool, own, { url: `https://[::ffff:127.0.0.1]:${port}/` });
    let lookups = 0;
    deliver(pool, {
      policy: 'public',
      resolve: (_host, _options, callback) => {
        lookups += 1;
        callback(null, [{ address: '127.0.0.1', family: 4 }]);
      },
    });
    await happen(pool, own, [named('ada')]);
    for (const { webhookId } of [rebound, literal]) {
      expect(await settled(pool, webhookId, 1)).toMatchObject([
        { state: 'failed', attempt_count: 4, last_error: 'address_not_allowed' },
      ]);
    }
    expect(lookups).toBe(4); // at every attempt anew
    expect(inside.received).toEqual([]);
  });

  test('whose answer never ends is cut off, and its status counts', async () => {
    const { pool } = database;
    const own = await site(pool);
    let written = 0;
    const to = await receiver((_, response) => {
      response.writeHead(200);
      const write = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536))) written += 65_536;
        if (!response.destroyed) response.once('drain', write);
      };
      write();
    });
    const { webhookId } = await webhook(pool, own, { url: to.url });
    deliver(pool);
    await happen(pool, own, [named('ada')]);
    expect(await settled(pool, webhookId, 1)).toMatchObject([{ state: 'delivered', attempt_count: 1 }]);
    expect(written).toBeLessThan(16 * 1024 * 1024); // what sockets hold
    const { rows } = await pool.query<{ length: number }>(
      'select length(answer) as length from store.webhook_attempts where site_id = $1',
      [own.siteId],
    );
    expect(rows).toEqual([{ length: 8_192 }]);
  });

  test('that says nothing holds up nobody else', async () => {
    const { pool } = database;
    const own = await site(pool);
    const held: (() => void)[] = [];
    const to = await receiver((request, response) => {
      if (request.path === '/fast') response.writeHead(204).end();
      else held.push(() => void response.writeHead(204).end());
    });
    const slow = await webhook(pool, own, { url: `${to.url}/slow`, concurrency: 2 });
    const fast = await webhook(pool, own, { url: `${to.url}/fast` });
    const stop = deliver(pool, { timeoutMs: 60_000, leaseMs: 120_000 });
    await happen(
      pool,
      own,
      Array.from({ length: 30 }, (_, index) => named(`buyer-${index}`)),
    );
    await settled(pool, fast.webhookId, 30);
    expect(to.at('/slow')).toHaveLength(2); // as many as it takes at once
    const states = (await deliveriesOf(pool, slow.webhookId)).map(({ state }) => state);
    expect(states.filter((state) => state === 'sending')).toHaveLength(2);
    const stopped = stop();
    for (const answer of held) answer();
    await stopped;
  }, 30_000);

  test('that keeps failing is tried by one message at a time, after pauses', async () => {
    const { pool } = database;
    const own = await site(pool);
    const to = await receiver((_, response) => void response.writeHead(500).end());
    const { webhookId } = await webhook(pool, own, { url: to.url, concurrency: 10 });
    deliver(pool, { schedule: [60_000] });
    await happen(
      pool,
      own,
      Array.from({ length: 40 }, (_, index) => named(`buyer-${index}`)),
    );
    const paused = async () => {
      const { rows } = await pool.query<{ paused_until: Date | null; failure_count: number }>(
        'select paused_until, failure_count from store.webhooks where webhook_id = $1',
        [webhookId],
      );
      return rows[0]!;
    };
    await until(async () => (await paused()).paused_until !== null);
    const sent = to.received.length;
    expect(sent).toBeLessThanOrEqual(20);
    to.answer = (_, response) => void response.writeHead(204).end();
    await until(async () => (await deliveriesOf(pool, webhookId)).every(({ state }) => state !== 'sending'));
    // the pause over, one tries, and then all follow
    await pool.query('update store.webhooks set paused_until = now() where webhook_id = $1', [webhookId]);
    await until(
      async () =>
        (await deliveriesOf(pool, webhookId)).filter(({ state }) => state === 'delivered').length >= 20,
    );
    expect(await paused()).toEqual({ paused_until: null, failure_count: 0 });
  }, 30_000);
});
