import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { createSite } from '../support/site.ts';

let db: TestDatabase;
let folder: string;
let site: string;
beforeAll(async () => {
  db = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'milepost-rejected-'));
  site = String((await createSite(db.pool)).siteId);
});
afterAll(async () => {
  await db.drop();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...words: string[]) => milepost([...words, '--site', site, '--json'], { DATABASE_URL: db.url });
const answerOf = async (...words: string[]) => {
  const { stdout, stderr } = await run(...words);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Record<string, string>;
};

test('a line that was not imported is listed, shown, repaired and stored', async () => {
  const sale = { id: 'R-1', name: 'purchase', user_id: 'ada', source: 'store' };
  const file = join(folder, 'sales.ndjson');
  writeFileSync(file, JSON.stringify({ ...sale, occurred_at: 'soon' }));
  const rejects = join(folder, 'rejects.ndjson');
  expect(await answerOf('import', file, '--no-derive', '--rejects', rejects)).toMatchObject({ rejected: 1 });

  const { stdout } = await run('rejected', 'list', '--reason', 'bad_time');
  const [listed] = JSON.parse(stdout) as Record<string, string>[];
  expect(listed).toMatchObject({ reason: 'bad_time', ingested_by: 'import', replay_result: null });
  const id = listed!['rejected_id']!;
  expect((await answerOf('rejected', 'show', id))['event']).toContain('"R-1"');

  expect(await answerOf('rejected', 'replay', '--reason', 'bad_time')).toMatchObject({ rejected: 1 });
  const repaired = join(folder, 'repaired.json');
  writeFileSync(repaired, JSON.stringify({ ...sale, occurred_at: '2019-05-01T10:00:00Z' }));
  const replay = ['rejected', 'replay', id, '--event', repaired];
  expect(await answerOf(...replay)).toMatchObject({ stored: 1, duplicates: 0 });
  expect(await answerOf(...replay)).toMatchObject({ stored: 0, duplicates: 1 });
  const { rows } = await db.pool.query('select given_id, occurred_at, source from store.touchpoints');
  expect(rows).toEqual([{ given_id: 'R-1', occurred_at: new Date('2019-05-01T10:00:00Z'), source: 'store' }]);

  expect((await run('rejected', 'replay', id, '--reason', 'x')).stderr).toMatch(/^milepost: name ids, or/);
});

test('a line that PostgreSQL refused is replayed as the touchpoint it was', async () => {
  await db.pool.query(`alter table store.touchpoints add constraint no_poison check (name <> 'poison')`);
  const line = { user_id: 'bob', identities: { loyalty_card: '4711' }, occurred_at: '2019-05-02T10:00:00Z' };
  const file = join(folder, 'poison.ndjson');
  const lines = [
    { ...line, id: 'P-1', name: 'poison', properties: { value: 3 } },
    { ...line, id: 'P-2', name: 'page_view' },
  ];
  writeFileSync(file, lines.map((said) => JSON.stringify(said)).join('\n'));
  const rejects = join(folder, 'rejects.ndjson');
  const summary = await answerOf('import', file, '--no-derive', '--rejects', rejects);
  expect(summary).toMatchObject({ stored: 1, rejected: 1 });
  await db.pool.query('alter table store.touchpoints drop constraint no_poison');
  expect(await answerOf('rejected', 'replay', '--reason', 'unstorable')).toMatchObject({ stored: 1 });
  const { rows } = await db.pool.query(
    `select given_id, name, user_id, identities, occurred_at, properties, sequence::integer as sequence
     from store.touchpoints where user_id = 'bob' order by sequence`,
  );
  const facts = { user_id: 'bob', occurred_at: new Date('2019-05-02T10:00:00Z') };
  expect(rows).toMatchObject([
    { ...facts, given_id: 'P-1', name: 'poison', properties: { value: 3 }, sequence: 1 },
    { ...facts, given_id: 'P-2', name: 'page_view', sequence: 2 },
  ]);
  expect(rows[0]).toMatchObject({ identities: (rows[1] as { identities: unknown }).identities });
});
