import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSite, type TestSite } from '../support/site.ts';
import { kept, startCollector, touchpoint, type TestCollector } from './collector.ts';

const kibibyte = 1024;

describe('sizes', () => {
  let collector: TestCollector;
  let writeKey: string;

  beforeAll(async () => {
    collector = await startCollector();
    ({ writeKey } = await createSite(collector.database.pool));
  });
  afterAll(() => collector.stop());

  const post = (payload: string | Buffer) =>
    collector.app.inject({
      method: 'POST',
      url: '/v1/events',
      headers: { authorization: `Bearer ${writeKey}` },
      payload,
    });

  /** A body of exactly so many bytes, of events small enough. */
  function bodyOf(bytes: number): string {
    const events = Array.from({ length: 20 }, () =>
      touchpoint({ properties: { text: 'x'.repeat(20 * kibibyte) } }),
    );
    const text = JSON.stringify({ batch: events });
    return `${text.slice(0, -1)}${' '.repeat(bytes - text.length)}}`;
  }

  test.each([
    { bytes: 1024 * kibibyte, status: 200 },
    { bytes: 1024 * kibibyte + 1, status: 413 },
  ])('a body of $bytes bytes is answered $status', async ({ bytes, status }) => {
    expect((await post(bodyOf(bytes))).statusCode).toBe(status);
  });

  test('the limit of 1 MiB holds after gunzip', async () => {
    // Not too alike, or the ratio would refuse it first.
    const noise = () => Array.from({ length: 2_000 }, () => Math.random().toString(36).slice(2)).join('');
    const events = (count: number) =>
      gzipSync(
        JSON.stringify({
          batch: Array.from({ length: count }, () => touchpoint({ properties: { noise: noise() } })),
        }),
      );
    expect((await post(events(40))).statusCode).toBe(200);
    expect((await post(events(60))).statusCode).toBe(413);
  });

  test.each([
    { count: 500, status: 200 },
    { count: 501, status: 413 },
  ])('a batch of $count events is answered $status', async ({ count, status }) => {
    const answer = await post(JSON.stringify({ batch: Array.from({ length: count }, () => touchpoint()) }));
    expect(answer.statusCode).toBe(status);
  });

  test('an event over 128 KiB is rejected alone', async () => {
    const size = (properties: object) =>
      JSON.stringify(touchpoint({ id: 'same-length-id', properties })).length;
    const fill = (bytes: number) => ({ text: 'x'.repeat(bytes - size({ text: '' })) });
    const fits = touchpoint({ id: 'same-length-id', properties: fill(128 * kibibyte) });
    const tooLarge = touchpoint({ id: 'same-length-id', properties: fill(128 * kibibyte + 1) });
    const answer = await post(JSON.stringify({ batch: [touchpoint({ id: 'small' }), tooLarge, fits] }));
    expect(answer.json()).toEqual({
      results: [
        { id: 'small', status: 'accepted' },
        { id: 'same-length-id', status: 'rejected', reason: 'too_large', detail: expect.any(String) },
        { id: 'same-length-id', status: 'accepted' },
      ],
    });
    expect(kept(collector.buffer).at(-1)?.envelope).toMatchObject({
      rejected: { 1: { reason: 'too_large' } },
    });
  });

  test('properties nested 100 deep are rejected alone', async () => {
    const deep = `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`;
    const body = `{"batch":[${JSON.stringify(touchpoint({ id: 'good' }))},${JSON.stringify(touchpoint({ id: 'deep', properties: {} })).replace('"properties":{}', `"properties":${deep}`)}]}`;
    expect((await post(body)).json()).toMatchObject({
      results: [
        { id: 'good', status: 'accepted' },
        { id: 'deep', status: 'rejected', reason: 'invalid' },
      ],
    });
  });

  test('what the SDK lost is kept, also without an event beside it', async () => {
    const before = kept(collector.buffer).length;
    const answer = await post(JSON.stringify({ batch: [], lost: { queue_full: 3 } }));
    expect(answer.json()).toEqual({ results: [] });
    expect(kept(collector.buffer)).toHaveLength(before + 1);
    expect(kept(collector.buffer).at(-1)?.body).toMatchObject({ lost: { queue_full: 3 } });
  });

  test('property names that mean something to JavaScript mean nothing here', async () => {
    const event = JSON.stringify(touchpoint({ properties: {} })).replace(
      '"properties":{}',
      '"properties":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    );
    const answer = await post(`{"__proto__":{"batch":[]},"batch":[${event}]}`);
    expect(answer.json()).toMatchObject({ results: [{ status: 'accepted' }] });
    expect('polluted' in {}).toBe(false);
  });

  test('each event is judged alone, and the rejected ones are kept with their reason', async () => {
    const answer = await post(
      JSON.stringify({
        batch: [
          touchpoint({ id: 'good' }),
          'a string',
          null,
          touchpoint({ id: 'nobody', anonymous_id: null }),
          touchpoint({ id: 'shop', source: 'store' }),
          touchpoint({ id: 'old', occurred_at: '2001-01-01T00:00:00Z' }),
          touchpoint({ id: 'x'.repeat(101) }),
          touchpoint({ id: 'quote"\\' }),
        ],
      }),
    );
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      results: [
        { id: 'good', status: 'accepted' },
        { id: null, status: 'rejected', reason: 'invalid' },
        { id: null, status: 'rejected', reason: 'invalid' },
        { id: 'nobody', status: 'rejected', reason: 'no_identity' },
        { id: 'shop', status: 'rejected', reason: 'source_not_allowed' },
        { id: 'old', status: 'rejected', reason: 'too_old' },
        { id: null, status: 'rejected', reason: 'invalid' },
        { id: 'quote"\\', status: 'accepted' },
      ],
    });
    const { envelope, body } = kept(collector.buffer).at(-1)!;
    expect(body.batch).toHaveLength(8);
    expect(Object.keys((envelope as { rejected: object }).rejected)).toEqual(['1', '2', '3', '4', '5', '6']);
  });
});

test('what happened before a site was cut is rejected, by whatever route and key it comes', async () => {
  const collector = await startCollector();
  const { siteId, writeKey, secretKey } = await createSite(collector.database.pool);
  await collector.database.pool.query(
    `update store.sites set retained_from = '2026-01-01Z', oldest_live_touchpoint = '120 months' where site_id = $1`,
    [siteId],
  );
  const send = async (url: string, key: string, payload: object) => {
    const headers = { authorization: `Bearer ${key}` };
    return (await collector.app.inject({ method: 'POST', url, headers, payload })).body;
  };
  for (const key of [writeKey, secretKey]) {
    const old = touchpoint({ occurred_at: '2025-12-31T23:59:59.999Z' });
    const kept = touchpoint({ occurred_at: '2026-01-01T00:00:00Z' });
    const answer = JSON.parse(await send('/v1/events', key, { batch: [old, kept] })) as object;
    expect(answer).toMatchObject({
      results: [{ status: 'rejected', reason: 'before_retention' }, { status: 'accepted' }],
    });
    const call = { event: 'Seen', anonymousId: 'ada', timestamp: '2025-12-31T23:59:59.999Z' };
    expect(await send('/v1/track', key, call)).toContain('before_retention');
  }
  await collector.stop();
});

describe('a full buffer', () => {
  let collector: TestCollector;
  let writeKey: string;

  beforeAll(async () => {
    collector = await startCollector({ maxBytes: 64 * kibibyte });
    ({ writeKey } = await createSite(collector.database.pool));
  });
  afterAll(() => collector.stop());

  test('answers 503 with Retry-After, and takes again once it is confirmed', async () => {
    const post = () =>
      collector.app.inject({
        method: 'POST',
        url: `/v1/events?k=${writeKey}`,
        headers: { origin: 'https://shop.example' },
        payload: JSON.stringify({ batch: [touchpoint({ properties: { text: 'x'.repeat(20 * kibibyte) } })] }),
      });
    const statuses = [];
    for (let count = 0; count < 4; count += 1) statuses.push((await post()).statusCode);
    expect(statuses).toEqual([200, 200, 503, 503]);
    const refused = await post();
    expect(refused.json()).toMatchObject({ type: '/problems/buffer-full' });
    expect(refused.headers['retry-after']).toBe('10');
    expect(refused.headers['access-control-allow-origin']).toBe('https://shop.example');
    expect((await collector.app.inject('/readyz')).json()).toMatchObject({ checks: { buffer: true } });

    const entries = collector.buffer.read(null, { maxEntries: 10, maxBytes: 1e9 });
    expect(entries).toHaveLength(2);
    await collector.buffer.confirm(entries.at(-1)!.position);
    expect((await post()).statusCode).toBe(200);
  });
});

describe('the rate limit', () => {
  let collector: TestCollector;
  let site: TestSite;
  let other: TestSite;

  beforeAll(async () => {
    collector = await startCollector({ config: { rateLimit: 5, trustProxy: 1 } });
    site = await createSite(collector.database.pool);
    other = await createSite(collector.database.pool);
  });
  afterAll(() => collector.stop());

  const post = (key: string, address: string) =>
    collector.app.inject({
      method: 'POST',
      url: '/v1/events',
      headers: { authorization: `Bearer ${key}`, 'x-forwarded-for': address },
      payload: JSON.stringify({ batch: [touchpoint()] }),
    });

  test('counts by key and address, says when to come back, and spares secret keys', async () => {
    for (let count = 0; count < 5; count += 1)
      expect((await post(site.writeKey, '198.51.100.7')).statusCode).toBe(200);
    const refused = await post(site.writeKey, '198.51.100.7');
    expect(refused.statusCode).toBe(429);
    expect(refused.json()).toMatchObject({ type: '/problems/rate-limited' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60);

    expect((await post(site.writeKey, '198.51.100.8')).statusCode).toBe(200);
    expect((await post(other.writeKey, '198.51.100.7')).statusCode).toBe(200);
    for (let count = 0; count < 8; count += 1)
      expect((await post(site.secretKey, '198.51.100.7')).statusCode).toBe(200);
  });

  test('counts a network of IPv6 as one address', async () => {
    const answers = [];
    for (let host = 1; host <= 6; host += 1)
      answers.push((await post(site.writeKey, `2001:db8:1:2::${host}`)).statusCode);
    expect(answers).toEqual([200, 200, 200, 200, 200, 429]);
    expect((await post(site.writeKey, '2001:db8:1:3::1')).statusCode).toBe(200);
  });
});

describe('broken connections', () => {
  let collector: TestCollector;
  let writeKey: string;
  let port: number;

  beforeAll(async () => {
    collector = await startCollector();
    ({ writeKey } = await createSite(collector.database.pool));
    await collector.app.listen({ host: '127.0.0.1', port: 0 });
    ({ port } = collector.app.server.address() as AddressInfo);
  });
  afterAll(() => collector.stop());

  /** Writes to a raw connection and answers all that came back within half a second. */
  async function say(bytes: string, { thenClose = false } = {}): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString())).on('error', () => {});
    socket.write(bytes);
    await sleep(thenClose ? 50 : 300);
    socket.destroy();
    return answer;
  }

  const head = (rest: string) => `POST /v1/events?k=${writeKey} HTTP/1.1\r\nHost: x\r\n${rest}\r\n`;
  const works = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/events?k=${writeKey}`, {
      method: 'POST',
      body: JSON.stringify({ batch: [touchpoint()] }),
    });
    return answer.status === 200;
  };

  test.each([
    { what: 'half a body, then gone', bytes: () => head('Content-Length: 1000\r\n') + '{"batch":[' },
    {
      what: 'half a chunk, then gone',
      bytes: () => head('Transfer-Encoding: chunked\r\n') + 'ff\r\n{"batch":[',
    },
    { what: 'half the headers, then gone', bytes: () => 'POST /v1/ev' },
  ])('$what: nothing is kept, and the next request works', async ({ bytes }) => {
    const before = kept(collector.buffer).length;
    expect(await say(bytes(), { thenClose: true })).toBe('');
    expect(kept(collector.buffer)).toHaveLength(before);
    expect(await works()).toBe(true);
  });

  test.each([
    {
      what: 'a body longer than said',
      bytes: () => head('Content-Length: 2\r\n') + '{}{"batch":[]}',
      status: 400,
    },
    {
      what: 'a Content-Length over the limit',
      bytes: () => head('Content-Length: 99999999\r\n'),
      status: 413,
    },
    { what: 'no HTTP at all', bytes: () => 'hello\r\n\r\n', status: 400 },
    {
      what: 'two lengths',
      bytes: () => head('Content-Length: 2\r\nContent-Length: 3\r\n') + '{}',
      status: 400,
    },
    {
      what: 'a bad chunk',
      bytes: () => head('Transfer-Encoding: chunked\r\n') + 'zz\r\n{}\r\n0\r\n\r\n',
      status: 400,
    },
    {
      what: 'headers of 1 MiB',
      bytes: () => head(`X-Long: ${'x'.repeat(1024 * kibibyte)}\r\n`),
      status: 431,
    },
    {
      what: 'a body with GET',
      bytes: () => 'GET /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}',
      status: 405,
    },
  ])('$what is answered $status', async ({ bytes, status }) => {
    const answer = await say(bytes());
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer.toLowerCase()).toContain('application/problem+json');
    expect(await works()).toBe(true);
  });
});
