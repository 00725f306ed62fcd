/** Webhooks as resources of the API. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Webhook as Verifier } from 'standardwebhooks';
import type { DeliveryWithAttempts, Webhook } from '../../src/api/webhooks.ts';
import { buys, deliver, happen, receiver, settled } from '../deliver/fixture.ts';
import { createSite } from '../support/site.ts';
import type { TestSite } from '../support/site.ts';
import { rowsOf, startApi } from './fixture.ts';
import type { TestApi } from './fixture.ts';

type Made = Webhook & { secret: string };

let api: TestApi;
let site: TestSite;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const call = (method: 'POST' | 'PATCH' | 'DELETE', url: string, payload?: object, key = site.secretKey) =>
  api.app.inject({ method, url, headers: { authorization: `Bearer ${key}` }, ...(payload && { payload }) });
const get = (url: string, key = site.secretKey) => api.get(url, key);
const settings = { url: 'https://shop.example/hooks', types: ['order.placed'] };
const made = async (more: object = {}): Promise<Made> => {
  const answer = await call('POST', '/v1/webhooks', { ...settings, ...more });
  expect(answer.statusCode, answer.body).toBe(201);
  return answer.json<Made>();
};
/** A webhook that points to this machine, where the API itself would refuse it. */
const madeAt = async (url: string, more: object = {}): Promise<Made> => {
  const hook = await made(more);
  await api.pool.query('update store.webhooks set url = $2 where webhook_id = $1', [hook.webhook_id, url]);
  return hook;
};

beforeAll(async () => {
  site = await createSite(api.pool);
});

test('one is made with its defaults, and its secret is shown this once', async () => {
  const webhook = await made();
  expect(webhook).toMatchObject({
    ...settings,
    description: '',
    origins: ['live', 'late', 'merge'],
    concurrency: 5,
    is_enabled: true,
    disabled_reason: null,
    failure_count: 0,
    paused_until: null,
  });
  expect(Buffer.from(webhook.secret.replace(/^whsec_/, ''), 'base64')).toHaveLength(32);
  const { secret, ...shown } = webhook;
  expect((await get(`/v1/webhooks/${webhook.webhook_id}`)).json()).toEqual(shown);
  const list = await get('/v1/webhooks');
  expect(list.json<{ webhooks: Webhook[] }>().webhooks).toContainEqual(shown);
  expect(list.body).not.toMatch(secret);
});

test('it is changed by what the body names, and deleted', async () => {
  const { webhook_id: id } = await made({ description: 'mail' });
  const changed = await call('PATCH', `/v1/webhooks/${id}`, { types: ['cart.abandoned'], is_enabled: false });
  expect(changed.json()).toMatchObject({
    types: ['cart.abandoned'],
    description: 'mail',
    is_enabled: false,
    disabled_reason: 'by_hand',
  });
  expect((await call('PATCH', `/v1/webhooks/${id}`, { is_enabled: true })).json()).toMatchObject({
    is_enabled: true,
    disabled_reason: null,
  });
  expect((await call('DELETE', `/v1/webhooks/${id}`)).statusCode).toBe(204);
  expect((await get(`/v1/webhooks/${id}`)).json()).toMatchObject({ type: '/problems/unknown-webhook' });
  expect((await call('DELETE', `/v1/webhooks/${id}`)).statusCode).toBe(404);
});

test.each([
  [{}, /url: /],
  [{ ...settings, url: 'http://shop.example/' }, /url: does not begin with https/],
  [{ ...settings, url: 'https://127.0.0.1/' }, /url: names an address that is not of the internet/],
  [{ ...settings, url: 'https://2130706433/' }, /url: names an address/],
  [{ ...settings, url: 'https://localhost/' }, /url: names a host that is not of the internet/],
  [{ ...settings, url: 'https://a:b@shop.example/' }, /url: holds a user name/],
  [{ ...settings, types: [] }, /types: names none/],
  [{ ...settings, types: ['cart.sold'] }, /types\.0: is none of stage\.changed/],
  [{ ...settings, origins: ['mars'] }, /origins\.0: /],
  [{ ...settings, concurrency: 0 }, /concurrency: /],
  [{ ...settings, secret: 'mine' }, /names something that is no setting/],
  [[], /Nothing was changed/],
])('%j is refused by its place', async (body, detail) => {
  const answer = await call('POST', '/v1/webhooks', body);
  expect(answer.statusCode).toBe(400);
  expect(answer.json()).toMatchObject({ type: '/problems/invalid-webhook' });
  expect(answer.json<{ detail: string }>().detail).toMatch(detail);
});

test('a site has a hundred at most', async () => {
  const full = await createSite(api.pool);
  await api.pool.query(
    `insert into store.webhooks (site_id, webhook_id, url, types, cursor)
     select $1, gen_random_uuid(), 'https://shop.example/', '{order.placed}', 0 from generate_series(1, 100)`,
    [full.siteId],
  );
  const answer = await call('POST', '/v1/webhooks', settings, full.secretKey);
  expect(answer.statusCode).toBe(409);
  expect(answer.json()).toMatchObject({ type: '/problems/too-many-webhooks' });
});

describe('no key', () => {
  const changing = [
    ['POST', ''],
    ['PATCH', '/ID'],
    ['DELETE', '/ID'],
    ['POST', '/ID/rotate'],
    ['POST', '/ID/ping'],
    ['POST', '/ID/deliveries/replay'],
    ['POST', '/ID/deliveries/ID/replay'],
  ] as const;

  test.each(changing)('%s /v1/webhooks%s changes anything without write:webhooks', async (method, path) => {
    const { secretKey } = await createSite(api.pool, { scopes: ['read:webhooks'] });
    const answer = await call(method, `/v1/webhooks${path.replaceAll('ID', 'x')}`, {}, secretKey);
    expect(answer.json()).toMatchObject({ type: '/problems/missing-scope' });
  });

  test('of another site sees or changes one', async () => {
    const { webhook_id: id } = await made();
    const other = await createSite(api.pool);
    expect((await get(`/v1/webhooks/${id}`, other.secretKey)).statusCode).toBe(404);
    expect((await get(`/v1/webhooks/${id}/deliveries`, other.secretKey)).statusCode).toBe(404);
    for (const [method, path] of changing.slice(1)) {
      const body = path.endsWith('deliveries/replay') ? { since: '2026-01-01T00:00:00Z' } : {};
      const answer = await call(method, `/v1/webhooks${path.replaceAll('ID', id)}`, body, other.secretKey);
      expect(answer.statusCode, `${method} ${path}`).toBe(404);
    }
    expect((await get(`/v1/webhooks/${id}`)).statusCode).toBe(200);
  });
});

test('a rotated secret is shown once, and says until when the one before holds', async () => {
  const { webhook_id: id, secret } = await made();
  const answer = await call('POST', `/v1/webhooks/${id}/rotate`, { overlap_seconds: 600 });
  const rotated = answer.json<{ secret: string; earlier_hold_until: string }>();
  expect(rotated.secret).toMatch(/^whsec_/);
  expect(rotated.secret).not.toBe(secret);
  const seconds = (Date.parse(rotated.earlier_hold_until) - Date.now()) / 1_000;
  expect(seconds).toBeGreaterThan(500);
  expect(seconds).toBeLessThan(700);
  const noBody = await call('POST', `/v1/webhooks/${id}/rotate`);
  expect(noBody.statusCode, noBody.body).toBe(200);
});

describe('deliveries', () => {
  test('tell what was sent and answered, page by page, and are sent once more on wish', async () => {
    const own = await createSite(api.pool);
    site = own;
    const to = await receiver(
      (_, response) => void response.writeHead(200, { 'x-shop': 'one' }).end('thanks'),
    );
    const { webhook_id: id, secret } = await madeAt(to.url);
    deliver(api.pool);
    await happen(api.pool, own, [buys('ada'), buys('ben'), buys('cy')]);
    await settled(api.pool, id, 3);

    const first = await get(`/v1/webhooks/${id}/deliveries?limit=2`);
    expect(rowsOf(first, 'deliveries')).toMatchObject([{ state: 'delivered' }, { state: 'delivered' }]);
    const next = await get(String(/<(.*)>/.exec(String(first.headers.link))?.[1]));
    expect(rowsOf(next, 'deliveries')).toHaveLength(1);
    expect(rowsOf(await get(`/v1/webhooks/${id}/deliveries?state=failed`), 'deliveries')).toEqual([]);

    const deliveryId = String(rowsOf(next, 'deliveries')[0]?.['delivery_id']);
    const one = (await get(`/v1/webhooks/${id}/deliveries/${deliveryId}`)).json<DeliveryWithAttempts>();
    expect(one.attempts).toMatchObject([
      { attempt: 1, status: 200, error: null, answer: 'thanks', headers: { 'x-shop': 'one' } },
    ]);
    const received = to.received.find(({ headers }) => headers['webhook-id'] === deliveryId);
    expect(one.body).toBe(received?.text);
    expect(new Verifier(secret).verify(received!.text, received!.headers)).toEqual(JSON.parse(one.body!));

    const replayed = await call('POST', `/v1/webhooks/${id}/deliveries/${deliveryId}/replay`);
    expect(replayed.statusCode).toBe(202);
    await settled(api.pool, id, 3);
    expect(to.received.filter(({ headers }) => headers['webhook-id'] === deliveryId)).toHaveLength(2);

    const unknown = await get(`/v1/webhooks/${id}/deliveries/${id}`);
    expect(unknown.json()).toMatchObject({ type: '/problems/unknown-delivery' });
  });

  test('of a time are replayed, those that were missed too, or those alone that ended so', async () => {
    const own = await createSite(api.pool);
    site = own;
    const to = await receiver();
    const { webhook_id: id } = await madeAt(to.url);
    deliver(api.pool);
    await happen(api.pool, own, [buys('ada')]);
    await settled(api.pool, id, 1);
    await call('PATCH', `/v1/webhooks/${id}`, { is_enabled: false });
    await happen(api.pool, own, [buys('missed')]);
    await call('PATCH', `/v1/webhooks/${id}`, { is_enabled: true });

    const since = new Date(Date.now() - 60_000).toISOString();
    const failed = await call('POST', `/v1/webhooks/${id}/deliveries/replay`, { since, states: ['failed'] });
    expect(failed.json()).toEqual({ replayed: 0 });
    const future = new Date(Date.now() + 3_600_000).toISOString();
    const none = await call('POST', `/v1/webhooks/${id}/deliveries/replay`, { since: future });
    expect(none.json()).toEqual({ replayed: 0 });
    const all = await call('POST', `/v1/webhooks/${id}/deliveries/replay`, { since });
    expect(all.statusCode).toBe(202);
    expect(all.json()).toEqual({ replayed: 2 });
    await settled(api.pool, id, 2);
    expect(to.received.map(({ body }) => String(body.data['subject_id'])).sort()).toEqual([
      'order-ada',
      'order-ada',
      'order-missed',
    ]);
    expect(new Set(to.received.map(({ headers }) => headers['webhook-id'])).size).toBe(2);
  });

  test('a ping is signed like every message, and its answer can be read', async () => {
    const to = await receiver((_, response) => void response.writeHead(418).end('no'));
    const { webhook_id: id, secret } = await madeAt(to.url, { is_enabled: false });
    deliver(api.pool);
    const ping = (await call('POST', `/v1/webhooks/${id}/ping`)).json<DeliveryWithAttempts>();
    expect(ping).toMatchObject({ type: 'webhook.ping', state: 'pending' });
    await settled(api.pool, id, 1);
    expect(new Verifier(secret).verify(to.received[0]!.text, to.received[0]!.headers)).toMatchObject({
      type: 'webhook.ping',
      data: { webhook_id: id },
    });
    const after = await get(`/v1/webhooks/${id}/deliveries/${ping.delivery_id}`);
    expect(after.json<DeliveryWithAttempts>().attempts[0]).toMatchObject({ status: 418, answer: 'no' });
  });
});
