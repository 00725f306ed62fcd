import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '@milepost/shared';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { residentMegabytes } from '../support/memory.ts';
import { createSite } from '../support/site.ts';
import { CollectorProcess, freePort } from './process.ts';
import { Wire } from './wire.ts';

const folder = mkdtempSync(join(tmpdir(), 'milepost-torture-'));
let database: TestDatabase;
let collector: CollectorProcess;
let siteId: number;
let writeKey: string;

beforeAll(async () => {
  database = await createDatabase();
  ({ siteId, writeKey } = await createSite(database.pool));
  collector = new CollectorProcess({ databaseUrl: database.url, folder, port: await freePort() });
  await collector.start();
});
afterAll(async () => {
  await collector.end('SIGKILL');
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

function ask(body: string, headers = ''): Promise<unknown> {
  const wire = new Wire(collector.url);
  const head = `POST /v1/events?k=${writeKey} HTTP/1.1\r\nhost: x\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return wire.ask(Buffer.from(head + body)).finally(() => wire.close());
}

test.each([
  { what: 'a million keys', body: () => bodyOf(keys(1_000_000)), status: 413 },
  { what: 'as many keys as a body holds', body: () => bodyOf(keys(90_000)), status: 200 },
  { what: 'a list as long as a body holds', body: () => bodyOf(`[${'0,'.repeat(500_000)}0]`), status: 200 },
  {
    what: 'a depth of 10,000',
    body: () => bodyOf(`${'['.repeat(10_000)}${']'.repeat(10_000)}`),
    status: 200,
  },
  { what: 'a number of 100,000 digits', body: () => bodyOf('9'.repeat(100_000)), status: 200 },
  { what: 'one key 50,000 times', body: () => bodyOf(`{${'"a":1,'.repeat(50_000)}"a":1}`), status: 200 },
  { what: '200 headers', headers: () => 'a: b\r\n'.repeat(200), status: 200 },
  { what: '100,000 headers', headers: () => 'a: b\r\n'.repeat(100_000), status: 431 },
  { what: 'a cookie of 15 KB', headers: () => `cookie: a=${'x'.repeat(15_000)}\r\n`, status: 200 },
  { what: 'a cookie of 64 KB', headers: () => `cookie: a=${'x'.repeat(64_000)}\r\n`, status: 431 },
])('$what: $status, and the memory stays', async ({ body, headers, status }) => {
  expect(await ask(body?.() ?? '{"batch":[]}', headers?.())).toBe(status);
  expect(await ask('{"batch":[]}')).toBe(200);
  expect(residentMegabytes(collector.pid)).toBeLessThan(400);
});

test('SQL in every field is text, and stored as it came', async () => {
  const sql = `'); drop table store.touchpoints; --"\\`;
  const id = newId();
  const event = {
    id,
    name: sql,
    type: 'track',
    anonymous_id: sql,
    user_id: sql,
    account_id: sql,
    occurred_at: Date.now(),
    properties: { [sql]: sql, items: [{ item_id: sql, price: 1 }], cart_id: sql, currency: sql },
    traits: { [sql]: sql },
    context: { page: { url: sql, path: sql, title: sql, referrer: sql }, userAgent: sql, locale: sql },
  };
  expect(await ask(JSON.stringify({ batch: [event], context: { [sql]: sql } }))).toBe(200);
  let rows: unknown[] = [];
  while (rows.length === 0) {
    ({ rows } = await database.pool.query(
      'select name, properties ->> $3 as property from store.touchpoints where site_id = $1 and touchpoint_id = $2',
      [siteId, id, sql],
    ));
  }
  expect(rows).toEqual([{ name: sql, property: sql }]);
});

function keys(count: number): string {
  return `{${Array.from({ length: count }, (_, index) => `"k${index}":1`).join(',')}}`;
}

function bodyOf(value: string): string {
  return `{"batch":[{"id":"${newId()}","name":"x","anonymous_id":"a","occurred_at":${Date.now()},"properties":{"p":${value}}}]}`;
}
