import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { allScopes } from '../../src/api/scopes.ts';
import { buildApp } from '../../src/app.ts';
import { openBuffer } from '../../src/buffer/open.ts';
import { createKey } from '../../src/database/keys.ts';
import { createMetrics } from '../../src/operations/metrics.ts';
import { apiConfig } from '../api/fixture.ts';
import type { TestDatabase } from '../support/database.ts';
import { type Ended, milepost } from '../support/program.ts';
import { blocksOf, isUpdating, sectionOf, textOf, writeAnswer } from './markdown.ts';
import { askAsReader } from './psql.ts';
import { sampleAsOf, sampleDatabase } from './sample.ts';

// After a change that is meant to show: UPDATE_EXAMPLES=1 npm test -- packages/collector/test/docs, then read the difference.

const file = 'README.md';
const site = 2;
let database: TestDatabase;
let app: Awaited<ReturnType<typeof buildApp>>;
let key: string;
let stop: () => Promise<void>;

beforeAll(async () => {
  database = await sampleDatabase();
  ({ key } = await createKey(database.pool, { siteId: site, kind: 'secret', scopes: allScopes }));
  const folder = mkdtempSync(join(tmpdir(), 'milepost-readme-'));
  const buffer = await openBuffer(`lmdb:${folder}`, { maxBytes: 2 ** 24 });
  app = await buildApp({
    config: { ...apiConfig, roles: new Set(['ingest', 'api']) },
    pool: database.pool,
    buffer,
    metrics: createMetrics(),
  });
  stop = async () => {
    await app.close();
    await buffer.close();
    rmSync(folder, { recursive: true, force: true });
    await database.drop();
  };
});
afterAll(() => stop());

/** Blocks of `language`, each with the block that follows it. */
function pairsOf(heading: string, language: string) {
  const blocks = blocksOf(sectionOf(file, heading));
  return blocks.flatMap((question, index) => {
    const answer = blocks[index + 1];
    return question.language === language && answer ? [{ question, answer }] : [];
  });
}

const questions = pairsOf('Ten questions', 'sql').map((pair, index) => ({ number: index + 1, ...pair }));

test('ten questions are answered', () => {
  expect(questions).toHaveLength(10);
  expect(sectionOf(file, 'Ten questions').match(/^\*\*\d+\. /gm)).toHaveLength(10);
});

test.each(questions)('question $number is answered so', async ({ question, answer }) => {
  const text = await askAsReader(database.pool, question.text);
  expect(text.split('\n').length).toBeGreaterThan(3); // an empty answer would show nothing
  if (isUpdating) writeAnswer(file, { question, answer: { ...answer, text } });
  else expect(answer).toEqual({ language: 'text', text });
});

describe('requests', () => {
  const shown = pairsOf('The Stage API', 'sh').flatMap(({ question, answer }) => {
    const [, url] = /^curl .*'http:\/\/127\.0\.0\.1:4000(\/\S+)'\n$/.exec(question.text) ?? [];
    return url === undefined ? [] : [{ url, question, answer }];
  });

  test('are shown with their answers', () => {
    expect(shown).toHaveLength(3);
  });

  test.each(shown)('$url answers what is shown, and more', async ({ url, answer }) => {
    const answered = await app.inject({ url, headers: { authorization: `Bearer ${key}` } });
    expect(answered.statusCode).toBe(200);
    expect(answered.json()).toMatchObject(JSON.parse(answer.text) as object);
  });

  test('a till’s purchase is accepted', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: sampleAsOf });
    try {
      const [pair] = pairsOf('Embedding', 'sh');
      const [, payload = ''] = /-d '([^]+)'/.exec(pair?.question.text ?? '') ?? [];
      const answered = await app.inject({
        method: 'POST',
        url: '/v1/events',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        payload,
      });
      expect(answered.statusCode).toBe(200);
      expect(answered.json()).toEqual(JSON.parse(pair?.answer.text ?? ''));
    } finally {
      vi.useRealTimers();
    }
  });
});

test('the loader to paste is that of the SDK’s page, which the SDK’s tests hold to its code', () => {
  const [own] = blocksOf(sectionOf(file, 'Embedding'));
  const [given] = blocksOf(sectionOf('packages/sdk/README.md', 'Embed'));
  expect(own).toEqual(given);
});

test('a reader may read every row of every view', async () => {
  const { rows: views } = await database.pool.query<{ view: string }>(
    `select relname as view from pg_class where relnamespace = 'journey'::regnamespace and relkind = 'v' order by relname`,
  );
  // Counting rows would leave out the columns; as text each of them is worked out.
  for (const { view } of views)
    await askAsReader(database.pool, `select count(${view}::text) from journey.${view}`);
});

test('SQL in the other guides runs as a reader', async () => {
  const texts = ['docs/embedding.md', 'docs/tutorial.md'].map(textOf);
  const queries = texts.flatMap(blocksOf).filter(({ language }) => language === 'sql');
  expect(queries.length).toBeGreaterThan(0);
  for (const { text } of queries) await askAsReader(database.pool, text);
});

test('verify tells what was changed by hand as docs/operating.md shows it, and rebuild mends it', async () => {
  const run = (...args: string[]): Promise<Ended> => milepost(args, { DATABASE_URL: database.url });
  const operating = 'docs/operating.md';
  const [question, answer] = blocksOf(sectionOf(operating, 'Verify and rebuild'));
  if (question === undefined || answer === undefined) throw new Error('the example is missing');

  await database.pool.query(`update store.orders set gross = 1 where site_id = 2 and order_id = 'o-29-1'`);
  const told = await run('verify');
  expect(told.code).toBe(1);
  if (isUpdating) writeAnswer(operating, { question, answer: { ...answer, text: told.stdout } });
  else expect(told.stdout).toBe(answer.text);

  const mended = await run('rebuild', '--json');
  expect(JSON.parse(mended.stdout)).toMatchObject({ rows_changed: 1 });
  expect(await run('verify')).toMatchObject({ code: 0 });
});
