import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startCollector, type TestCollector } from '../ingest/collector.ts';
import { createSite, type TestSite } from '../support/site.ts';

// What reaches the buffer by Segment's HTTP API, and what is answered.

const shop = 'https://shop.example';

let collector: TestCollector;
let site: TestSite;
let other: TestSite;

beforeAll(async () => {
  collector = await startCollector();
  site = await createSite(collector.database.pool, { allowed_origins: [shop] });
  other = await createSite(collector.database.pool);
});
afterAll(() => collector.stop());

type Entry = { envelope: Record<string, unknown>; body: string };
let seen = 0;
beforeEach(() => {
  seen = entries().length;
});
const entries = (): Entry[] =>
  collector.buffer.read(null, { maxEntries: 10_000, maxBytes: 1e9 }).map(({ envelope, body }) => ({
    envelope: envelope as unknown as Record<string, unknown>,
    body: Buffer.from(body).toString(),
  }));
const fresh = () => entries().slice(seen);

const basic = (key: string) => `Basic ${Buffer.from(`${key}:`).toString('base64')}`;

function post(
  url: string,
  payload: unknown,
  headers: Record<string, string> = { authorization: basic(site.writeKey) },
) {
  return collector.app.inject({
    method: 'POST',
    url,
    headers,
    payload: typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload),
  });
}

const call = (fields: Record<string, unknown> = {}) => ({
  messageId: `m-${randomBytes(6).toString('hex')}`,
  userId: 'u1',
  event: 'Looked',
  ...fields,
});

describe('routes', () => {
  test.each(['track', 'identify', 'page', 'screen', 'group', 'alias', 't', 'i', 'p', 's', 'g', 'a'])(
    '/v1/%s takes a call, kept as it came',
    async (route) => {
      const body = ` ${JSON.stringify(call({ groupId: 'g', previousId: 'p' }))} `;
      const answer = await post(`/v1/${route}`, body);
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
      expect(answer.json()).toEqual({ success: true });
      expect(fresh()).toMatchObject([{ body, envelope: { ingestedBy: 'segment', isTrusted: false } }]);
    },
  );

  test.each(['/v1/batch', '/v1/b', '/beacon/v1/batch'])('%s takes several, as one entry', async (url) => {
    const calls = [call({ type: 'track' }), call({ type: 'identify' })];
    expect((await post(url, { batch: calls })).json()).toEqual({ success: true });
    expect(fresh()).toHaveLength(1);
  });

  test('an empty batch is fine, and nothing', async () => {
    expect((await post('/v1/batch', { batch: [] })).json()).toEqual({ success: true });
    expect(fresh()).toEqual([]);
  });

  test('other methods are told which one it is', async () => {
    const answer = await collector.app.inject({ method: 'GET', url: '/v1/track' });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers['allow']).toBe('POST, OPTIONS');
  });
});

describe('keys', () => {
  test.each([
    { where: 'HTTP Basic', headers: () => ({ authorization: basic(site.writeKey) }), fields: () => ({}) },
    { where: 'the body', headers: () => ({}), fields: () => ({ writeKey: site.writeKey }) },
    { where: 'Bearer', headers: () => ({ authorization: `Bearer ${site.writeKey}` }), fields: () => ({}) },
    {
      where: 'both',
      headers: () => ({ authorization: basic(site.writeKey) }),
      fields: () => ({ writeKey: site.writeKey }),
    },
  ])('the write key may stand in $where', async ({ headers, fields }) => {
    expect((await post('/v1/track', { ...call(), ...fields() }, headers())).statusCode).toBe(200);
    expect((await post('/v1/batch', { batch: [call()], ...fields() }, headers())).statusCode).toBe(200);
    expect(fresh()).toHaveLength(2);
  });

  test("in the address, as RudderStack's beacons have it", async () => {
    const url = `/beacon/v1/batch?writeKey=${site.writeKey}`;
    expect((await post(url, { batch: [call()] }, { 'content-type': 'text/plain' })).statusCode).toBe(200);
  });

  test.each([
    { what: 'no key', headers: () => ({}), fields: () => ({}), status: 401 },
    {
      what: 'an unknown one',
      headers: () => ({ authorization: basic('wk_none') }),
      fields: () => ({}),
      status: 401,
    },
    {
      what: 'two that differ',
      headers: () => ({ authorization: basic(site.writeKey) }),
      fields: () => ({ writeKey: other.writeKey }),
      status: 400,
    },
    {
      what: 'a secret key in the body',
      headers: () => ({}),
      fields: () => ({ writeKey: site.secretKey }),
      status: 403,
    },
    {
      what: "a secret key, and another site's write key in the body",
      headers: () => ({ authorization: `Bearer ${site.secretKey}` }),
      fields: () => ({ writeKey: other.writeKey }),
      status: 400,
    },
    {
      what: 'a secret key from a page',
      headers: () => ({ authorization: basic(site.secretKey), origin: shop }),
      fields: () => ({}),
      status: 403,
    },
  ])('$what: $status, and nothing is kept', async ({ headers, fields, status }) => {
    const answer = await post('/v1/track', { ...call(), ...fields() }, headers());
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(fresh()).toEqual([]);
  });

  test('a secret key is trusted, also where the library writes the write key of the site into the body', async () => {
    await post('/v1/batch', { batch: [call()] }, { authorization: basic(site.secretKey) });
    await post(
      '/v1/batch',
      { batch: [call()], writeKey: site.writeKey },
      { authorization: `Bearer ${site.secretKey}` },
    );
    expect(fresh().map(({ envelope }) => envelope['isTrusted'])).toEqual([true, true]);
  });
});

describe('bodies', () => {
  test('gzip labelled as a form, as RudderStack sends it', async () => {
    const body = JSON.stringify({ batch: [call()] });
    const answer = await post('/v1/batch', gzipSync(body), {
      authorization: basic(site.writeKey),
      'content-type': 'application/x-www-form-urlencoded',
      'content-encoding': 'gzip',
    });
    expect(answer.json()).toEqual({ success: true });
    expect(fresh()[0]!.body).toBe(body);
  });

  test.each([
    { url: '/v1/track', payload: '', type: 'malformed-json' },
    { url: '/v1/track', payload: '{', type: 'malformed-json' },
    { url: '/v1/track', payload: '[]', type: 'malformed-batch' },
    { url: '/v1/track', payload: 'null', type: 'malformed-batch' },
    { url: '/v1/batch', payload: '7', type: 'malformed-batch' },
    { url: '/v1/batch', payload: '{}', type: 'malformed-batch' },
    { url: '/v1/batch', payload: '{"batch":{}}', type: 'malformed-batch' },
  ])('$url refuses $payload', async ({ url, payload, type }) => {
    const answer = await post(url, payload);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ type: `/problems/${type}` });
    expect(fresh()).toEqual([]);
  });

  test.each([
    { count: 2_500, status: 200 },
    { count: 2_501, status: 413 },
  ])('a batch of $count calls is answered $status', async ({ count, status }) => {
    const batch = Array.from({ length: count }, (_, index) => call({ messageId: `n-${index}` }));
    expect((await post('/v1/batch', { batch })).statusCode).toBe(status);
  });

  const mebibyte = 1024 * 1024;
  test.each([
    { bytes: 4 * mebibyte, status: 200 },
    { bytes: 4 * mebibyte + 1, status: 413 },
  ])('$bytes bytes are answered $status, packed or not', async ({ bytes, status }) => {
    const text = JSON.stringify({ batch: [call()], pad: '' });
    const pad = randomBytes(bytes)
      .toString('base64')
      .slice(0, bytes - text.length);
    const body = JSON.stringify({ ...(JSON.parse(text) as object), pad });
    expect(body).toHaveLength(bytes);
    expect((await post('/v1/batch', body)).statusCode).toBe(status);
    expect((await post('/v1/batch', gzipSync(body, { level: 1 }))).statusCode).toBe(status);
  });

  test('a call over 128 KiB is rejected alone', async () => {
    const batch = [call({ properties: { text: 'x'.repeat(128 * 1024) } }), call()];
    expect((await post('/v1/batch', { batch })).json()).toMatchObject({
      success: true,
      rejected: [{ index: 0, id: batch[0]!.messageId, reason: 'too_large' }],
    });
  });
});

describe('each call is judged alone', () => {
  test('what is rejected is named beside the usual answer, in the words of the caller', async () => {
    const batch = [
      call({ messageId: 'fine' }),
      call({ messageId: 'nobody', userId: null }),
      call({ messageId: 'nameless', event: undefined }),
      call({ messageId: 'undated', timestamp: 'yesterday' }),
      call({ messageId: 'kindless', type: 'delete' }),
      'nothing',
    ];
    const answer = await post('/v1/batch', { batch });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({
      success: true,
      rejected: [
        {
          index: 1,
          id: 'nobody',
          reason: 'no_identity',
          detail: '/anonymousId: neither it nor userId nor identities holds a usable id',
        },
        { index: 2, id: 'nameless', reason: 'invalid', detail: '/event: a track needs a name' },
        { index: 3, id: 'undated', reason: 'bad_time', detail: '/timestamp: no readable time' },
        { index: 4, id: 'kindless', reason: 'invalid', detail: expect.stringContaining('/type: ') },
        { index: 5, id: null, reason: 'invalid', detail: expect.any(String) },
      ],
    });
    expect(Object.keys(fresh()[0]!.envelope['rejected'] as object)).toEqual(['1', '2', '3', '4', '5']);
  });

  test('where nobody may be stored without consent, a call needs it', async () => {
    const strict = await createSite(collector.database.pool, { consent_required: true });
    const headers = { authorization: basic(strict.writeKey) };
    const consented = call({ context: { consent: { categoryPreferences: { Analytics: true } } } });
    const denied = call({ context: { consent: { categoryPreferences: { Analytics: false } } } });
    expect((await post('/v1/batch', { batch: [consented, call(), denied] }, headers)).json()).toMatchObject({
      rejected: [
        { index: 1, reason: 'consent_required' },
        { index: 2, reason: 'consent_denied' },
      ],
    });
  });
});

describe('pages', () => {
  test("a page may send and read the answer, with all headers that Segment's and RudderStack's clients add", async () => {
    const preflight = await collector.app.inject({
      method: 'OPTIONS',
      url: '/v1/t',
      headers: {
        origin: shop,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'anonymousid,authorization,content-type,sentat,x-retry-count',
      },
    });
    expect(preflight.statusCode).toBe(204);
    const allowed = String(preflight.headers['access-control-allow-headers']).toLowerCase().split(', ');
    expect(allowed).toEqual(
      expect.arrayContaining(['anonymousid', 'authorization', 'content-type', 'sentat', 'x-retry-count']),
    );
    const answer = await post('/v1/t', call(), { authorization: basic(site.writeKey), origin: shop });
    expect(answer.headers['access-control-allow-origin']).toBe(shop);
  });

  test('a page of another origin may not', async () => {
    const headers = { authorization: basic(site.writeKey), origin: 'https://elsewhere.example' };
    expect((await post('/v1/t', call(), headers)).statusCode).toBe(403);
    expect(fresh()).toEqual([]);
  });
});

describe('what the libraries ask for first', () => {
  const ask = (url: string, headers: Record<string, string> = {}) =>
    collector.app.inject({ method: 'GET', url, headers });

  test('analytics.js is told to send here, and to do nothing else', async () => {
    const answer = await ask(`/v1/projects/${site.writeKey}/settings`, {
      host: 'data.shop.example',
      origin: shop,
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['access-control-allow-origin']).toBe(shop);
    expect(answer.json()).toMatchObject({
      integrations: {
        'Segment.io': { apiKey: site.writeKey, apiHost: 'data.shop.example/v1', protocol: 'https' },
      },
      metrics: { sampleRate: 0 },
    });
    expect(Object.keys(answer.json<{ integrations: object }>().integrations)).toEqual(['Segment.io']);
  });

  test('a page without TLS is sent to where it asked', async () => {
    const answer = await ask(`/v1/projects/${site.writeKey}/settings`, { host: '127.0.0.1:4000' });
    expect(answer.json()).toMatchObject({
      integrations: { 'Segment.io': { apiHost: '127.0.0.1:4000/v1', protocol: 'http' } },
    });
  });

  test("RudderStack's library is told that its source is on", async () => {
    const answer = await ask(`/sourceConfig/?p=npm&v=3&writeKey=${site.writeKey}`, {
      authorization: basic(site.writeKey),
      origin: shop,
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      source: { writeKey: site.writeKey, enabled: true, destinations: [] },
    });
  });

  test.each([
    { url: () => '/v1/projects/wk_none/settings', status: 401 },
    { url: () => `/v1/projects/${site.secretKey}/settings`, status: 403 },
    { url: () => '/sourceConfig/', status: 401 },
    { url: () => `/sourceConfig/?writeKey=${site.secretKey}`, status: 403 },
  ])('a wrong key is refused with $status', async ({ url, status }) => {
    expect((await ask(url())).statusCode).toBe(status);
  });

  test('a page of another origin is refused', async () => {
    const origin = 'https://elsewhere.example';
    expect((await ask(`/v1/projects/${site.writeKey}/settings`, { origin })).statusCode).toBe(403);
    expect((await ask(`/sourceConfig/?writeKey=${site.writeKey}`, { origin })).statusCode).toBe(403);
  });
});
