import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { spool } from '../../src/import/upload/spool.ts';
import { buildApp } from '../../src/app.ts';
import { createMetrics } from '../../src/operations/metrics.ts';
import { apiConfig } from '../api/fixture.ts';
import { CollectorProcess, freePort } from '../ingest/process.ts';
import { type TestDatabase, createDatabase } from '../support/database.ts';
import { type TestSite, createSite } from '../support/site.ts';
import { triggersOf } from './triggers.ts';

let database: TestDatabase;
let folder: string;
let app: Awaited<ReturnType<typeof buildApp>>;
let url: string;
let site: TestSite;

beforeAll(async () => {
  database = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'milepost-upload-'));
  app = await buildApp({
    config: { ...apiConfig, importFolder: join(folder, 'imports'), importLimitBytes: 100_000 },
    pool: database.pool,
    buffer: null,
    metrics: createMetrics(),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
});
beforeEach(async () => {
  site = await createSite(database.pool);
});
afterAll(async () => {
  await app.close();
  const imports = join(folder, 'imports');
  expect(existsSync(imports) ? readdirSync(imports) : []).toEqual([]);
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

type Answer = {
  stored: number;
  duplicates: number;
  rejected: number;
  resumed_after_line: number;
  rejects: { line: number; reason: string; detail: string }[];
  type?: string;
  detail?: string;
};

async function post(
  body: string | Buffer,
  { query = '', type = 'application/x-ndjson', key = site.secretKey, to = url } = {},
): Promise<{ status: number; answer: Answer }> {
  const response = await fetch(`${to}/v1/import${query}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': type },
    body: body as string,
  });
  return { status: response.status, answer: (await response.json()) as Answer };
}

const ndjson = (events: object[]) => events.map((event) => `${JSON.stringify(event)}\n`).join('');
const lines = [
  { id: 'a', name: 'page_view', user_id: 'ada', occurred_at: '1997-01-01T10:00:00Z' },
  { name: 'support_call', user_id: 'ada', occurred_at: '1997-01-03 10:00', source: 'phone' },
];

async function stored(siteId = site.siteId) {
  const { rows } = await database.pool.query<Record<string, unknown>>(
    `select name, user_id, source, ingested_by, is_trusted, properties,
       to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as at
     from store.touchpoints where site_id = $1 order by occurred_at, sequence`,
    [siteId],
  );
  return rows;
}

async function storedCount(): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>(
    'select count(*)::integer as count from store.touchpoints where site_id = $1',
    [site.siteId],
  );
  return rows[0]?.count ?? 0;
}

describe('POST /v1/import', () => {
  test('stores lines of any age, trusted, with their own time', async () => {
    const { status, answer } = await post(ndjson(lines), { query: '?time_zone=Europe/Berlin' });
    expect({ status, answer }).toEqual({
      status: 200,
      answer: { stored: 2, duplicates: 0, rejected: 0, resumed_after_line: 0, rejects: [] },
    });
    expect(await stored()).toMatchObject([
      { name: 'page_view', at: '1997-01-01 10:00', ingested_by: 'import', is_trusted: true },
      { name: 'support_call', at: '1997-01-03 09:00', source: 'phone' },
    ]);
  });

  test('the same body again stores nothing twice', async () => {
    await post(ndjson(lines));
    expect((await post(gzipSync(ndjson(lines)))).answer).toMatchObject({ stored: 0, duplicates: 2 });
  });

  test('tells of each line that was not stored its number, reason and place, and keeps it', async () => {
    const body = `${ndjson(lines)}not json\n${ndjson([{ name: 'x', user_id: 'ada', occurred_at: 'soon' }])}`;
    const { answer } = await post(body);
    expect(answer).toMatchObject({ stored: 2, rejected: 2 });
    expect(answer.rejects).toEqual([
      { line: 3, reason: 'invalid', detail: ': not JSON' },
      { line: 4, reason: 'bad_time', detail: '/occurred_at: no readable time' },
    ]);
    const { rows } = await database.pool.query(
      'select reason from journey.rejected_events where site_id = $1 order by 1',
      [site.siteId],
    );
    expect(rows).toEqual([{ reason: 'bad_time' }, { reason: 'invalid' }]);
  });

  test.each([
    { what: 'CSV', type: 'text/csv; charset=utf-8', delimiter: ',', query: '' },
    { what: 'tab-separated values', type: 'text/tab-separated-values', delimiter: '\t', query: '' },
    { what: 'CSV by name', type: 'text/plain', delimiter: ';', query: '&format=csv&delimiter=;' },
  ])('reads $what by a mapping', async ({ type, delimiter, query }) => {
    const body = [
      ['Card', 'Time', 'Total'],
      ['ada', '1997-01-02 10:00', '5.5'],
    ]
      .map((cells) => `${cells.join(delimiter)}\r\n`)
      .join('');
    const map = ['name:=purchase', 'source:=store', 'user_id=Card', 'occurred_at=Time'];
    const mapping = JSON.stringify({ fields: { 'properties.value': { column: 'Total', type: 'number' } } });
    const maps = [mapping, ...map].map((text) => `map=${encodeURIComponent(text)}`).join('&');
    const { answer } = await post(body, { type, query: `?${maps}${query}` });
    expect(answer).toMatchObject({ stored: 1, rejected: 0 });
    expect(await stored()).toMatchObject([
      { name: 'purchase', source: 'store', user_id: 'ada', properties: { value: 5.5 } },
    ]);
  });

  test('nothing in it arms a trigger', async () => {
    const occurredAt = new Date(Date.now() - 60_000).toISOString();
    const properties = { currency: 'EUR', items: [{ item_id: 'boots', price: 50, quantity: 1 }] };
    await post(ndjson([{ name: 'add_to_cart', user_id: 'ada', occurred_at: occurredAt, properties }]));
    expect(await triggersOf(database.pool, site.siteId)).toBe(0);
  });

  test.each([
    { what: 'an empty body', body: '', status: 200, type: undefined },
    {
      what: 'a mapping of a column that is not there',
      body: 'a,b\n1,2\n',
      query: '?format=csv&map=user_id=c',
      status: 400,
      type: 'invalid-import',
      detail: /^The body has no column c; it has a, b/,
    },
    {
      what: 'two columns of one name',
      body: 'a,a\n1,2\n',
      query: '?format=csv',
      status: 400,
      type: 'invalid-import',
    },
    {
      what: 'no time zone',
      body: '{}',
      query: '?time_zone=Mars/Olympus',
      status: 400,
      type: 'invalid-import',
    },
    { what: 'no mapping', body: '{}', query: '?map=hocuspocus', status: 400, type: 'invalid-import' },
    {
      what: 'a field there is not',
      body: '{}',
      query: '?map=hocus=pocus',
      status: 400,
      type: 'invalid-import',
    },
    { what: 'a misspelt parameter', body: '{}', query: '?zone=UTC', status: 400, type: 'invalid-query' },
    {
      what: 'half a gzip',
      body: gzipSync('x'.repeat(9_000)).subarray(0, 20),
      status: 400,
      type: 'malformed-gzip',
    },
    { what: 'too much', body: Buffer.alloc(100_001, '\n'), status: 413, type: 'body-too-large' },
  ])('$what answers $status', async ({ body, query = '', status, type, detail }) => {
    const { status: answered, answer } = await post(body, { query });
    expect({ status: answered, type: answer.type }).toEqual({
      status,
      type: type === undefined ? undefined : `/problems/${type}`,
    });
    if (detail) expect(answer.detail).toMatch(detail);
    expect(await stored()).toEqual([]);
  });

  test('needs a secret key with the scope write:import', async () => {
    expect((await post('{}', { key: site.writeKey })).status).toBe(403);
    const without = await createSite(database.pool, { scopes: ['write:events'] });
    expect(await post('{}', { key: without.secretKey })).toMatchObject({
      status: 403,
      answer: { type: '/problems/missing-scope' },
    });
  });

  test('a third at a time is told to wait', async () => {
    let isOver = false;
    const uploads: ClientRequest[] = [];
    const begin = () => {
      const upload = request(`${url}/v1/import`, {
        method: 'POST',
        headers: { authorization: `Bearer ${site.secretKey}` },
      });
      upload.on('error', () => {}); // it is broken off below
      upload.on('response', (answer) => {
        answer.resume();
        if (!isOver) begin(); // the one below was there before it
      });
      upload.write('{}\n');
      uploads.push(upload);
    };
    begin();
    begin();
    let third = await post('{}');
    while (third.status !== 429) third = await post('{}');
    expect(third.answer.type).toBe('/problems/rate-limited');
    isOver = true;
    for (const upload of uploads) upload.destroy();
    while (third.status === 429) third = await post('{}');
    expect(third.status).toBe(200);
  });
});

describe('an upload', () => {
  const options = { maxBytes: 1_000, stallMs: 50, isDiskLow: () => false };

  test('that stalls ends, and leaves nothing', async () => {
    const path = join(folder, 'stalled');
    const body = new Readable({ read() {} });
    body.push('{"a":1}\n');
    await expect(spool(body, { ...options, path })).rejects.toThrow('request-timeout');
    expect(existsSync(path)).toBe(false);
  });

  test('may take as long as it needs while something comes', async () => {
    const path = join(folder, 'slow');
    async function* slowly() {
      for (let piece = 0; piece < 8; piece += 1) {
        await sleep(20);
        yield Buffer.from('{}\n');
      }
    }
    expect(await spool(Readable.from(slowly()), { ...options, path })).toBe(path);
  });

  test('on a disk that is nearly full is told to come later', async () => {
    const path = join(folder, 'full');
    const body = Readable.from([Buffer.from('{}')]);
    await expect(spool(body, { ...options, path, isDiskLow: () => true })).rejects.toThrow('buffer-full');
    expect(existsSync(path)).toBe(false);
  });
});

test('an import whose collector is told to end goes on where it was when the same body comes again', async () => {
  const collector = new CollectorProcess({
    databaseUrl: database.url,
    folder: join(folder, 'buffer'),
    port: await freePort(),
    env: { IMPORT_FOLDER: join(folder, 'process'), ROLES: 'api' },
  });
  const count = 60_000;
  const event = (index: number) => ({
    id: `line-${index}`,
    name: 'page_view',
    user_id: `user-${index % 1_000}`,
    occurred_at: Date.UTC(1997, 0, 1) + index * 1_000,
  });
  const body = ndjson(Array.from({ length: count }, (_, index) => event(index)));
  await collector.start();
  const first = post(body, { to: collector.url }).catch(() => ({ status: 'broken off' as const }));
  while ((await storedCount()) === 0) await sleep(20);
  await collector.end('SIGTERM');
  expect([503, 'broken off']).toContain((await first).status);
  const before = await storedCount();
  expect(before).toBeLessThan(count);

  await collector.start();
  const { answer } = await post(body, { to: collector.url });
  await collector.end('SIGTERM');
  expect(answer).toMatchObject({ stored: count, duplicates: 0, rejected: 0 });
  expect(answer.resumed_after_line).toBeGreaterThan(0);
  expect(await storedCount()).toBe(count);
  expect(readdirSync(join(folder, 'process'))).toEqual([]);
}, 60_000);
