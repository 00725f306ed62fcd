import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { revokeKey } from '../../src/database/keys.ts';
import { createSite } from '../support/site.ts';
import type { TestSite } from '../support/site.ts';
import { startApi } from './fixture.ts';
import type { TestApi } from './fixture.ts';

let api: TestApi;
let site: TestSite;
beforeAll(async () => {
  api = await startApi();
  site = await createSite(api.pool);
});
afterAll(() => api.stop());

const none = '0199a5d2-7c00-7000-8000-000000000001';
const routes = [
  { url: '/v1/stages', scope: 'read:stages' },
  { url: '/v1/stages/decision/persons', scope: 'read:persons' },
  { url: '/v1/persons?user_id=nobody', scope: 'read:persons' },
  { url: '/v1/persons/0199a5d2-7c00-7000-8000-000000000001', scope: 'read:persons' },
  { url: '/v1/persons/0199a5d2-7c00-7000-8000-000000000001/transitions', scope: 'read:persons' },
  { url: '/v1/accounts', scope: 'read:persons' },
  { url: '/v1/accounts/acme', scope: 'read:persons' },
  { url: '/v1/transitions', scope: 'read:persons' },
  { url: '/v1/carts?state=abandoned', scope: 'read:carts' },
  { url: '/v1/orders', scope: 'read:orders' },
  { url: '/v1/changes', scope: 'read:changes' },
  { url: '/v1/webhooks', scope: 'read:webhooks' },
  { url: `/v1/webhooks/${none}`, scope: 'read:webhooks' },
  { url: `/v1/webhooks/${none}/deliveries`, scope: 'read:webhooks' },
  { url: `/v1/webhooks/${none}/deliveries/${none}`, scope: 'read:webhooks' },
  { url: '/v1/rejected', scope: 'read:rejected' },
  { url: '/v1/goals', scope: 'read:settings' },
  { url: '/v1/site', scope: 'read:settings' },
];

test('the table of routes is complete', async () => {
  const described = (await api.app.inject('/openapi.json')).json<{
    paths: Record<string, Record<string, { security: object[] }>>;
  }>();
  // what pages and mails may ask without one, and a stream, which never ends, have tests of their own
  const open = ['/v1/me', '/v1/projects/{writeKey}/settings', '/v1/pixel.gif', '/v1/click'];
  const reading = Object.entries(described.paths).filter(
    ([path, methods]) => 'get' in methods && !open.includes(path) && !path.endsWith('/stream'),
  );
  expect(reading).toHaveLength(routes.length);
  for (const [, methods] of reading) expect(methods.get?.security).toEqual([{ secretKey: [] }]);
});

describe.each(routes)('$url', ({ url, scope }) => {
  test.each([
    { what: 'no key', headers: {}, status: 401, type: 'missing-key' },
    {
      what: 'another scheme',
      headers: { authorization: 'Basic c2tfYTo=' },
      status: 401,
      type: 'missing-key',
    },
    { what: 'an empty key', headers: { authorization: 'Bearer ' }, status: 401, type: 'missing-key' },
    { what: 'a made-up key', headers: { authorization: 'Bearer sk_nope' }, status: 401, type: 'unknown-key' },
  ])('$what answers $status', async ({ headers, status, type }) => {
    const answer = await api.app.inject({ url, headers });
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toMatchObject({ type: `/problems/${type}`, status });
    expect(answer.headers['content-type']).toMatch('application/problem+json');
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
  });

  test('a write key answers 403 and names the way out', async () => {
    const answer = await api.get(url, site.writeKey);
    expect(answer.statusCode).toBe(403);
    expect(answer.json()).toMatchObject({ type: '/problems/secret-key-required' });
    expect(answer.json<{ detail: string }>().detail).toMatch('milepost key create');
  });

  test('a secret key from a web page is refused', async () => {
    const answer = await api.get(url, site.secretKey, { origin: 'https://shop.example' });
    expect(answer.statusCode).toBe(403);
    expect(answer.json()).toMatchObject({ type: '/problems/secret-key-exposed' });
  });

  test('a secret key in the address is refused', async () => {
    const answer = await api.app.inject({ url: `${url}${url.includes('?') ? '&' : '?'}k=${site.secretKey}` });
    expect(answer.statusCode).toBe(403);
    expect(answer.json()).toMatchObject({ type: '/problems/secret-key-exposed' });
  });

  test(`needs ${scope} and nothing else`, async () => {
    const without = await createSite(api.pool, {
      scopes: routes.map((route) => route.scope).filter((other) => other !== scope),
    });
    const refused = await api.get(url, without.secretKey);
    expect(refused.statusCode).toBe(403);
    expect(refused.json()).toMatchObject({ type: '/problems/missing-scope' });
    expect(refused.headers['www-authenticate']).toMatch(`scope="${scope}"`);

    const only = await createSite(api.pool, { scopes: [scope] });
    const answer = await api.get(url, only.secretKey);
    expect([200, 404]).toContain(answer.statusCode);
    expect(answer.json()).not.toMatchObject({ type: '/problems/not-found' });
  });

  test('no cache may keep the answer', async () => {
    const answer = await api.get(url, site.secretKey);
    expect(answer.headers['cache-control']).toMatch('no-store');
  });

  test('a parameter it does not take is named and not repeated', async () => {
    const answer = await api.get(`${url}${url.includes('?') ? '&' : '?'}hocuspocus=1`, site.secretKey);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ type: '/problems/invalid-query' });
    expect(answer.body).not.toMatch('hocuspocus');
  });
});

test('a revoked key stops within a second', async () => {
  const other = await createSite(api.pool);
  expect((await api.get('/v1/stages', other.secretKey)).statusCode).toBe(200);
  await revokeKey(api.pool, other.secretKey);
  await expect
    .poll(async () => (await api.get('/v1/stages', other.secretKey)).statusCode, {
      timeout: 1_500,
      interval: 50,
    })
    .toBe(401);
});
