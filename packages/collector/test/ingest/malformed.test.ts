import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite } from '../support/site.ts';
import { kept, startCollector, touchpoint, type TestCollector } from './collector.ts';

let collector: TestCollector;
let writeKey: string;

beforeAll(async () => {
  collector = await startCollector();
  ({ writeKey } = await createSite(collector.database.pool));
});
afterAll(() => collector.stop());

const batch = (...events: unknown[]) => JSON.stringify({ sent_at: new Date().toISOString(), batch: events });
const wellFormed = () => batch(touchpoint());

const malformed: {
  what: string;
  body: string | Buffer;
  headers?: Record<string, string>;
  type: string;
  status?: number;
}[] = [
  { what: 'nothing', body: '', type: 'malformed-json' },
  { what: 'white space', body: ' \n ', type: 'malformed-json' },
  { what: 'a word', body: 'hello', type: 'malformed-json' },
  { what: 'JSON cut short', body: wellFormed().slice(0, -3), type: 'malformed-json' },
  { what: 'JSON with something after it', body: `${wellFormed()}}`, type: 'malformed-json' },
  { what: 'two documents', body: `${wellFormed()}\n${wellFormed()}`, type: 'malformed-json' },
  { what: 'single quotes', body: "{'batch':[]}", type: 'malformed-json' },
  { what: 'a trailing comma', body: '{"batch":[],}', type: 'malformed-json' },
  { what: 'a bare NaN', body: '{"batch":[NaN]}', type: 'malformed-json' },
  { what: 'zero bytes', body: Buffer.alloc(64), type: 'malformed-json' },
  { what: 'UTF-16', body: Buffer.from(wellFormed(), 'utf16le'), type: 'malformed-json' },
  {
    what: 'a form',
    body: 'batch=1&sent_at=2',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    type: 'malformed-json',
  },
  { what: 'XML', body: '<batch/>', headers: { 'content-type': 'text/xml' }, type: 'malformed-json' },
  { what: 'arrays nested 200,000 deep and never closed', body: '['.repeat(200_000), type: 'malformed-json' },
  { what: 'null', body: 'null', type: 'malformed-batch' },
  { what: 'a number', body: '42', type: 'malformed-batch' },
  { what: 'a string', body: '"batch"', type: 'malformed-batch' },
  { what: 'a bare list', body: JSON.stringify([touchpoint()]), type: 'malformed-batch' },
  {
    what: 'arrays nested 200,000 deep',
    body: '['.repeat(200_000) + ']'.repeat(200_000),
    type: 'malformed-batch',
  },
  { what: 'no batch', body: '{}', type: 'malformed-batch' },
  { what: 'a null batch', body: '{"batch":null}', type: 'malformed-batch' },
  { what: 'a batch that is an object', body: '{"batch":{"0":{}}}', type: 'malformed-batch' },
  { what: 'a batch that is a string', body: '{"batch":"[]"}', type: 'malformed-batch' },
  { what: 'a sent_at that is an object', body: '{"sent_at":{},"batch":[]}', type: 'malformed-batch' },
  { what: 'a context that is a list', body: '{"context":[],"batch":[]}', type: 'malformed-batch' },
  {
    what: '501 events',
    body: batch(...Array.from({ length: 501 }, () => 1)),
    type: 'batch-too-large',
    status: 413,
  },
  { what: 'over 1 MiB', body: batch('x'.repeat(1024 * 1024)), type: 'body-too-large', status: 413 },
  {
    what: 'over 1 MiB once unpacked',
    body: gzipSync(batch(Array.from({ length: 120_000 }, (_, i) => i * 7919))),
    type: 'body-too-large',
    status: 413,
  },
  {
    what: 'a gzip bomb',
    body: gzipSync(Buffer.alloc(50 * 1024 * 1024)),
    type: 'body-too-large',
    status: 413,
  },
  {
    what: 'a small gzip of ratio over 100',
    body: gzipSync(batch('x'.repeat(900_000))),
    type: 'body-too-large',
    status: 413,
  },
  { what: 'gzip cut short', body: gzipSync(wellFormed()).subarray(0, -12), type: 'malformed-gzip' },
  {
    what: 'gzip with a broken middle',
    body: broken(gzipSync(batch(touchpoint(), touchpoint()))),
    type: 'malformed-gzip',
  },
  { what: 'gzip magic and nothing else', body: Buffer.from([0x1f, 0x8b]), type: 'malformed-gzip' },
  {
    what: 'brotli',
    body: wellFormed(),
    headers: { 'content-encoding': 'br' },
    type: 'unsupported-encoding',
    status: 415,
  },
];

test.each(malformed)(
  '$what is refused with a reason, and the next request works',
  async ({ body, headers, type, status }) => {
    const before = kept(collector.buffer).length;
    const refused = await post(body, headers);
    expect(refused.statusCode).toBe(status ?? 400);
    expect(refused.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(refused.json()).toMatchObject({
      type: `/problems/${type}`,
      status: status ?? 400,
      title: expect.any(String),
    });
    expect(refused.json<{ detail: string }>().detail.length).toBeGreaterThan(20);
    expect(refused.headers['x-request-id']).toBeTruthy();
    expect(kept(collector.buffer)).toHaveLength(before);

    const next = await post(wellFormed());
    expect(next.statusCode).toBe(200);
    expect(kept(collector.buffer)).toHaveLength(before + 1);
  },
);

test.each([
  { what: 'no content type', headers: {} },
  { what: 'text/plain, as a beacon', headers: { 'content-type': 'text/plain;charset=UTF-8' } },
  { what: 'a form by its label', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
  { what: 'an unreadable label', headers: { 'content-type': ';;;' } },
  { what: 'a multipart label', headers: { 'content-type': 'multipart/form-data' } },
])('JSON is read under $what', async ({ headers }) => {
  expect((await post(wellFormed(), headers as Record<string, string>)).statusCode).toBe(200);
});

test.each([
  { what: 'said in the header', headers: { 'content-encoding': 'gzip' } },
  { what: 'not said anywhere', headers: {} },
  {
    what: 'labelled form-urlencoded, as RudderStack does',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  },
])('gzip is unpacked when $what', async ({ headers }) => {
  expect((await post(gzipSync(wellFormed()), headers as Record<string, string>)).statusCode).toBe(200);
});

test('a gzip label on plain JSON is forgiven, as is a byte order mark', async () => {
  expect((await post(wellFormed(), { 'content-encoding': 'gzip' })).statusCode).toBe(200);
  const before = kept(collector.buffer).length;
  expect((await post(`\u{feff}${wellFormed()}`)).statusCode).toBe(200);
  expect(kept(collector.buffer)).toHaveLength(before + 1);
});

test('an empty batch is fine and keeps nothing', async () => {
  const before = kept(collector.buffer).length;
  const answer = await post('{"batch":[]}');
  expect(answer.statusCode).toBe(200);
  expect(answer.json()).toEqual({ results: [] });
  expect(kept(collector.buffer)).toHaveLength(before);
});

test('nothing that was sent comes back in a refusal', async () => {
  const answer = await post('{"batch":"<script>alert(1)</script>"} <script>alert(2)</script>');
  expect(answer.body).not.toContain('script');
  const unknown = await collector.app.inject({ url: '/<script>alert(3)</script>' });
  expect(unknown.statusCode).toBe(404);
  expect(unknown.body).not.toContain('script');
});

function broken(packed: Buffer): Buffer {
  packed.fill(0xff, 30, 60);
  return packed;
}

function post(body: string | Buffer, headers: Record<string, string> = {}) {
  return collector.app.inject({
    method: 'POST',
    url: '/v1/events',
    headers: { authorization: `Bearer ${writeKey}`, ...headers },
    payload: body,
  });
}
