import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { deriveUntilIdle } from '../../src/derive/index.ts';
import { type ImportOptions, importFile } from '../../src/import/import.ts';
import { formatOf } from '../../src/import/lines.ts';
import { parseMapping } from '../../src/import/mapping.ts';
import { type TestDatabase, createDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';
import { triggersOf } from './triggers.ts';

let database: TestDatabase;
let folder: string;
let siteId: number;

beforeAll(async () => {
  database = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'milepost-import-'));
});
beforeEach(async () => {
  ({ siteId } = await createSite(database.pool));
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

function fileOf(name: string, content: string | Buffer): string {
  const file = join(folder, `${siteId}-${name}`);
  writeFileSync(file, content);
  return file;
}

function run(file: string, options: Partial<ImportOptions> = {}, pool = database.pool) {
  return importFile(pool, {
    file,
    siteId,
    format: formatOf(file),
    delimiter: ',',
    mapping: null,
    timeZone: 'UTC',
    rejectsFile: `${file}.rejects`,
    ...options,
  });
}

type Row = { name: string; user_id: string; at: string; given_id: string | null; origin: string };
async function stored(): Promise<Row[]> {
  const { rows } = await database.pool.query<Row>(
    `select name, user_id, given_id, properties, source, ingested_by, is_trusted, sequence::integer as sequence,
       to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') as at
     from store.touchpoints where site_id = $1 order by occurred_at, sequence`,
    [siteId],
  );
  return rows;
}

const orders = parseMapping(
  JSON.stringify({
    fields: {
      name: { constant: 'purchase' },
      user_id: 'customer',
      occurred_at: 'day',
      source: { constant: 'store' },
      'properties.value': { column: 'paid', type: 'number' },
    },
  }),
  'orders.json',
);

describe('an NDJSON file', () => {
  const lines = [
    { id: 'a', name: 'page_view', user_id: 'ada', occurred_at: '1997-01-01T10:00:00Z' },
    { name: 'purchase', user_id: 'ada', occurred_at: '1997-01-02T10:00:00Z', properties: { value: 5 } },
    { name: 'support_call', user_id: 'ada', occurred_at: '1997-01-03 10:00', source: 'phone' },
  ];
  const text = lines.map((line) => JSON.stringify(line)).join('\n');

  test('is stored with its own times, trusted, as imported', async () => {
    const summary = await run(fileOf('touchpoints.ndjson', text), { timeZone: 'America/New_York' });
    expect(summary).toMatchObject({ stored: 3, duplicates: 0, rejected: 0, isFinished: true });
    expect(await stored()).toMatchObject([
      {
        name: 'page_view',
        at: '1997-01-01T10:00:00',
        given_id: 'a',
        ingested_by: 'import',
        is_trusted: true,
      },
      { name: 'purchase', at: '1997-01-02T10:00:00' },
      { name: 'support_call', at: '1997-01-03T15:00:00', source: 'phone' },
    ]);
    const { rows } = await database.pool.query('select origin from store.batches where site_id = $1', [
      siteId,
    ]);
    expect(rows).toEqual([{ origin: 'import' }]);
  });

  test('is stored once however often it is imported, packed too', async () => {
    await run(fileOf('one.ndjson', text));
    expect(await run(fileOf('one.ndjson', text))).toMatchObject({ stored: 0, duplicates: 3 });
    expect(await run(fileOf('two.ndjson.gz', gzipSync(`${text}\n`)))).toMatchObject({
      stored: 0,
      duplicates: 3,
    });
    expect(await stored()).toHaveLength(3);
  });

  test('loses only the lines that are wrong, with number and reason', async () => {
    const file = fileOf(
      'wrong.ndjson',
      `${text}\n{"name":\n\n[1]\n{"name":"x","user_id":"u","occurred_at":"soon"}\n{"name":"x","occurred_at":1}\n`,
    );
    expect(await run(file)).toMatchObject({ stored: 3, rejected: 4 });
    const rejects = readFileSync(`${file}.rejects`, 'utf8').trim().split('\n');
    expect(rejects.map((line) => JSON.parse(line) as object)).toMatchObject([
      { line: 4, reason: 'invalid', event: '{"name":' },
      { line: 6, reason: 'invalid', event: '[1]' },
      { line: 7, reason: 'bad_time' },
      { line: 8, reason: 'no_identity' },
    ]);
    await run(file);
    const { rows } = await database.pool.query<{ reason: string }>(
      'select reason from store.rejected_events where site_id = $1 order by reason',
      [siteId],
    );
    expect(rows.map(({ reason }) => reason)).toEqual(['bad_time', 'invalid', 'invalid', 'no_identity']);
  });
});

describe('a CSV file', () => {
  const csv = 'customer,day,paid\n1,1997-01-01,10\n1,1997-01-01,10\n2,1997-01-02,"1,5"\n1,1997-01-01,10\n';

  test('keeps identical lines apart, and adds only what a longer file adds', async () => {
    expect(await run(fileOf('orders.csv', csv), { mapping: orders })).toMatchObject({ stored: 4 });
    const longer = fileOf('longer.csv', `${csv}3,1997-01-03,7\n1,1997-01-01,10\n`);
    expect(await run(longer, { mapping: orders })).toMatchObject({ stored: 2, duplicates: 4 });
  });

  test('keeps the order of lines of one instant', async () => {
    await run(fileOf('ties.csv', 'customer,day,paid\nb,1997-01-01,1\na,1997-01-01,2\nc,1997-01-01,3\n'), {
      mapping: orders,
    });
    expect((await stored()).map(({ user_id: user }) => user)).toEqual(['b', 'a', 'c']);
  });

  test('is refused with its columns where the mapping names another', async () => {
    const file = fileOf('other.csv', 'client,day,paid\n1,1997-01-01,10\n');
    await expect(run(file, { mapping: orders })).rejects.toThrow(
      'has no column customer; it has client, day, paid',
    );
  });

  test('with lines of wrong shape loses only these', async () => {
    const file = fileOf('shape.csv', 'customer,day,paid\n1,1997-01-01\n2,1997-01-02,5\n3,1997-01-03,5,9\n');
    expect(await run(file, { mapping: orders })).toMatchObject({ stored: 1, rejected: 2 });
    expect(readFileSync(`${file}.rejects`, 'utf8')).toContain('"line":2');
  });

  test('needs no mapping where columns are named like fields', async () => {
    const file = fileOf(
      'named.csv',
      'name,user_id,occurred_at,properties.value,colour\npurchase,7,1997-01-01,5,red\n',
    );
    await run(file);
    expect(await stored()).toMatchObject([{ user_id: '7', properties: { value: 5, colour: 'red' } }]);
  });

  test('of no lines is an import of nothing', async () => {
    expect(await run(fileOf('empty.csv', 'customer,day,paid\n'), { mapping: orders })).toMatchObject({
      stored: 0,
    });
    expect(await run(fileOf('none.csv', ''), { mapping: orders })).toMatchObject({
      stored: 0,
      isFinished: true,
    });
  });
});

test('an import that was stopped goes on where it was, and ends like one that was not', async () => {
  const lines = Array.from({ length: 9_000 }, (_, index) => `u${index % 700},1997-01-01,${index % 3}`);
  const file = fileOf('long.csv', `customer,day,paid\n${lines.join('\n')}\n`);
  const stop = new AbortController();
  const onProgress: ImportOptions['onProgress'] = ({ step }) => {
    if (step === 'storing') stop.abort();
  };
  const first = await run(file, { mapping: orders, signal: stop.signal, onProgress });
  expect(first).toMatchObject({ isFinished: false, resumedAfterLine: 0 });
  expect(first.stored).toBeLessThan(9_000);
  const second = await run(file, { mapping: orders });
  expect(second).toMatchObject({
    isFinished: true,
    stored: 9_000,
    duplicates: 0,
    resumedAfterLine: first.stored + 1,
  });
  expect(await stored()).toHaveLength(9_000);
  expect(await run(file, { mapping: orders })).toMatchObject({
    stored: 0,
    duplicates: 9_000,
    resumedAfterLine: 0,
  });
});

test('a cart left in 1997 has its place in history and arms no trigger', async () => {
  const line = {
    name: 'add_to_cart',
    user_id: 'ada',
    occurred_at: '1997-03-01T10:00:00Z',
    properties: { cart_id: 'c', currency: 'EUR', items: [{ item_id: 'cd', price: 12.5 }] },
  };
  // A database of its own: what the other tests stored waits there to be derived.
  const own = await createDatabase();
  const site = await createSite(own.pool);
  await run(fileOf('cart.ndjson', JSON.stringify(line)), { siteId: site.siteId }, own.pool);
  await deriveUntilIdle(own.pool);
  const { rows } = await own.pool.query(
    `select state, abandonment_count::integer as abandonment_count, value::float8 as value,
       to_char(first_abandoned_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as abandoned
     from journey.carts where site_id = $1`,
    [site.siteId],
  );
  expect(rows).toEqual([
    { state: 'expired', abandonment_count: 1, value: 12.5, abandoned: '1997-03-01 11:00' },
  ]);
  expect(await triggersOf(own.pool, site.siteId)).toBe(0);
  await own.drop();
});

test('text that PostgreSQL cannot hold is stored without what it cannot hold', async () => {
  const line = { name: 'x\u0000y', user_id: 'u', occurred_at: 0, properties: { text: 'a\u0000b\ud800' } };
  expect(await run(fileOf('nul.ndjson', JSON.stringify(line)))).toMatchObject({ stored: 1, rejected: 0 });
});

test('a site that does not exist is refused', async () => {
  await expect(run(fileOf('some.ndjson', '{}'), { siteId: 4711 })).rejects.toThrow('there is no site 4711');
});
