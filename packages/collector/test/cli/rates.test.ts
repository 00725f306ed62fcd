import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deriveUntilIdle, verify } from '../../src/derive/index.ts';
import { storeGiven } from '../derive/given.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { createSite } from '../support/site.ts';

const data = (file: string) => fileURLToPath(new URL(`../data/ecb-rates/${file}`, import.meta.url));

let db: TestDatabase;
let folder: string;
let siteId: number;
beforeAll(async () => {
  db = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'milepost-rates-'));
  ({ siteId } = await createSite(db.pool));
});
afterAll(async () => {
  await db.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function importOf(file: string, ...options: string[]) {
  const ended = await milepost(['rates', 'import', file, '--site', `${siteId}`, '--json', ...options], {
    DATABASE_URL: db.url,
  });
  expect(ended.stderr).toBe('');
  return JSON.parse(ended.stdout) as unknown;
}

test('the ECB’s files give the amounts that its rates give', async () => {
  const { orders } = JSON.parse(readFileSync(data('expected.json'), 'utf8')) as {
    orders: { day: string; value: string; currency: string; in_eur: string | null }[];
  };
  await storeGiven(
    db.pool,
    { siteId },
    orders.map(({ day, value, currency }, index) => ({
      at: `${day}T12:00Z`,
      name: 'purchase',
      anonymous_id: 'ada',
      properties: { transaction_id: `o-${index}`, value, currency },
    })),
  );
  await deriveUntilIdle(db.pool);
  expect(await importOf(data('eurofxref-hist.csv'))).toEqual({ days: 8, rates: 256, changed_days: 8 });
  expect(await importOf(data('eurofxref.csv'))).toEqual({ days: 1, rates: 30, changed_days: 1 });
  const { rows } = await db.pool.query(
    `select occurred_at::date::text as day, gross::text as value, currency, gross_site::text as in_eur
     from journey.orders where site_id = $1 order by order_id`,
    [siteId],
  );
  expect(rows).toEqual(orders);
  expect((await verify(db.pool)).differences).toEqual([]);
});

test('a file may be packed', async () => {
  const file = join(folder, 'rates.csv.gz');
  writeFileSync(file, gzipSync('day,currency,rate\n2024-01-02,USD,1.0956\n'));
  expect(await importOf(file, '--no-derive')).toEqual({ days: 1, rates: 1, changed_days: 1 });
});

test.each([
  { what: 'is no table of rates', text: 'hello', sentence: /is not rates\. Line 1: name the columns/ },
  { what: 'cannot be unpacked', text: '\x1f\x8b', sentence: /cannot be unpacked/ },
  { what: 'cannot be read', text: null, sentence: /cannot be read/ },
])('a file that $what is refused in a sentence', async ({ text, sentence }) => {
  const file = join(folder, `${text === null ? 'none' : 'wrong'}.csv`);
  if (text !== null) writeFileSync(file, text, 'latin1');
  const { code, stderr } = await milepost(['rates', 'import', file, '--site', `${siteId}`], {
    DATABASE_URL: db.url,
  });
  expect(stderr).toMatch(/^milepost: [^\n]+\n$/);
  expect(stderr).toMatch(sentence);
  expect(code).toBe(1);
});

test('a site that is not there is named', async () => {
  const { code, stderr } = await milepost(['rates', 'import', data('eurofxref.csv'), '--site', '99'], {
    DATABASE_URL: db.url,
  });
  expect(stderr).toMatch(/there is no site 99/);
  expect(code).toBe(1);
});
