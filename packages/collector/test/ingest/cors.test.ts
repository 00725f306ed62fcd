import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite } from '../support/site.ts';
import { kept, startCollector, touchpoint, type TestCollector } from './collector.ts';

const shop = 'https://shop.example';

let collector: TestCollector;
let writeKey: string;
let elsewhereKey: string;
let openKey: string;
let closedKey: string;

beforeAll(async () => {
  collector = await startCollector();
  const { pool } = collector.database;
  ({ writeKey } = await createSite(pool, { allowed_origins: [shop, 'http://localhost:8080'] }));
  ({ writeKey: elsewhereKey } = await createSite(pool, { allowed_origins: ['https://elsewhere.example'] }));
  ({ writeKey: closedKey } = await createSite(pool, { allowed_origins: [] }));
});
afterAll(() => collector.stop());

function post(
  origin: string | undefined,
  {
    key = writeKey,
    headers = {},
    payload = body(),
  }: { key?: string; headers?: Record<string, string>; payload?: string } = {},
) {
  return collector.app.inject({
    method: 'POST',
    url: `/v1/events?k=${key}`,
    headers: { 'content-type': 'text/plain', ...(origin !== undefined && { origin }), ...headers },
    payload,
  });
}
const body = () => JSON.stringify({ batch: [touchpoint()] });

test.each([shop, 'http://localhost:8080'])('a page of %s may send and read the answer', async (origin) => {
  const answer = await post(origin);
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['access-control-allow-origin']).toBe(origin);
  expect(answer.headers['access-control-expose-headers']).toBe('Retry-After, X-Request-Id');
  expect(answer.headers.vary).toBe('Origin');
  expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
});

test.each([
  'null',
  '',
  '*',
  'https://shop.example.evil.example',
  'https://evil-shop.example',
  'https://shop.exampl',
  'https://sub.shop.example',
  'http://shop.example',
  'https://shop.example:8443',
  'https://shop.example/',
  'https://shop.example https://evil.example',
  'HTTPS://SHOP.EXAMPLE',
  'https://ѕhop.example',
  'https://elsewhere.example',
  'http://localhost',
])('origin "%s" is refused, and nothing kept', async (origin) => {
  const before = kept(collector.buffer).length;
  const answer = await post(origin);
  expect(answer.statusCode).toBe(403);
  expect(answer.json()).toMatchObject({ type: '/problems/origin-not-allowed' });
  expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  expect(kept(collector.buffer)).toHaveLength(before);
});

test('a site without allowed origins takes none, and takes servers', async () => {
  expect((await post(shop, { key: closedKey })).statusCode).toBe(403);
  expect((await post(undefined, { key: closedKey })).statusCode).toBe(200);
});

test("one site's origin is not another's, wherever the key stands", async () => {
  expect((await post(shop, { key: elsewhereKey })).statusCode).toBe(403);
  const inBody = await collector.app.inject({
    method: 'POST',
    url: '/v1/events',
    headers: { origin: shop },
    payload: JSON.stringify({ writeKey: elsewhereKey, batch: [touchpoint()] }),
  });
  expect(inBody.statusCode).toBe(403);
  expect(inBody.headers['access-control-allow-origin']).toBeUndefined();
});

test('a page can read why its broken body was refused', async () => {
  const answer = await post(shop, { payload: 'no JSON' });
  expect(answer.statusCode).toBe(400);
  expect(answer.headers['access-control-allow-origin']).toBe(shop);
});

test.each([
  { what: 'an unknown key', send: { key: 'wk_nobody' }, status: 401 },
  { what: 'a body too large', send: { payload: 'x'.repeat(1024 * 1024 + 1) }, status: 413 },
])('a page whose origin some site allows can read that it sent $what', async ({ send, status }) => {
  const answer = await post(shop, send);
  expect(answer.statusCode).toBe(status);
  expect(answer.headers['access-control-allow-origin']).toBe(shop);
  expect(answer.headers.vary).toBe('Origin');
  const elsewhere = await post('https://nowhere.example', send);
  expect(elsewhere.statusCode).toBe(status);
  expect(elsewhere.headers['access-control-allow-origin']).toBeUndefined();
});

test.each([
  { origin: shop, status: 204, allowed: shop },
  { origin: 'https://elsewhere.example', status: 204, allowed: 'https://elsewhere.example' },
  { origin: 'https://nowhere.example', status: 403, allowed: undefined },
  { origin: 'null', status: 403, allowed: undefined },
])('a preflight from $origin is answered $status', async ({ origin, status, allowed }) => {
  const answer = await collector.app.inject({
    method: 'OPTIONS',
    url: '/v1/events',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  });
  expect(answer.statusCode).toBe(status);
  expect(answer.headers['access-control-allow-origin']).toBe(allowed);
  if (allowed) expect(answer.headers['access-control-allow-methods']).toBe('POST');
});

// Last, for it opens preflights to all.
test('* allows every origin but null', async () => {
  ({ writeKey: openKey } = await createSite(collector.database.pool, { allowed_origins: ['*'] }));
  const answer = await post('https://any.example', { key: openKey });
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['access-control-allow-origin']).toBe('https://any.example');
  expect((await post('null', { key: openKey })).statusCode).toBe(403);
});
