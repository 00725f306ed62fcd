import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { createPool } from '../../src/database/pool.ts';
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
let folder: string;

beforeEach(async () => {
  db = await createEmptyDatabase();
  folder = mkdtempSync(join(tmpdir(), 'milepost-migrations-'));
  file('0001_first.sql', 'create schema store; create table store.first (number integer);');
});

afterEach(async () => {
  await db.drop();
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, text: string) {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), text);
}

async function applied(): Promise<string[]> {
  const { rows } = await db.pool.query<{ name: string }>('select name from store.migrations order by number');
  return rows.map(({ name }) => name);
}

test('files are applied once each, in the order of their numbers', async () => {
  file('0010_third.sql', 'insert into store.first select max(number) + 1 from store.first;');
  file('0009_second.sql', 'insert into store.first values (1);');
  expect((await migrate(db.pool, { folder })).applied).toEqual([
    '0001_first.sql',
    '0009_second.sql',
    '0010_third.sql',
  ]);
  expect((await migrate(db.pool, { folder })).applied).toEqual([]);
  const { rows } = await db.pool.query('select number from store.first order by number');
  expect(rows).toEqual([{ number: 1 }, { number: 2 }]);
});

test('a file that fails leaves nothing of itself, and the error names file and line', async () => {
  file('0002_broken.sql', 'create table store.half (number integer);\n\nselect nonsense;');
  await expect(migrate(db.pool, { folder })).rejects.toThrow(
    /migrations\/0002_broken\.sql:3: column "nonsense"/,
  );
  expect(await applied()).toEqual(['0001_first.sql']);
  const { rows } = await db.pool.query(`select to_regclass('store.half') as half`);
  expect(rows).toEqual([{ half: null }]);
});

test('a file changed after it was applied is refused in one sentence', async () => {
  await migrate(db.pool, { folder });
  file('0001_first.sql', 'create schema store;');
  await expect(migrate(db.pool, { folder })).rejects.toThrow(
    'migration 0001_first.sql was changed after it was applied to this database; restore the file and write the change as a new migration.',
  );
});

test('line ends that git turned do not count as a change', async () => {
  file('0001_first.sql', 'create schema store;\ncreate table store.first (number integer);\n');
  await migrate(db.pool, { folder });
  file('0001_first.sql', 'create schema store;\r\ncreate table store.first (number integer);\r\n');
  expect((await migrate(db.pool, { folder })).applied).toEqual([]);
});

test('a database of a newer version is refused in one sentence', async () => {
  file('0007_future.sql', 'create table store.future (number integer);');
  await migrate(db.pool, { folder });
  rmSync(join(folder, '0007_future.sql'));
  await expect(migrate(db.pool, { folder })).rejects.toMatchObject({
    name: 'Refusal',
    message:
      'the data belongs to a newer Milepost (it is at migration 7, this version knows 1); update Milepost, or start with another database.',
  });
});

test('two runners at once apply each file once', async () => {
  file('0002_slow.sql', 'select pg_sleep(0.3); create table store.slow (number integer);');
  const other = createPool(db.url);
  try {
    const runs = await Promise.all([migrate(db.pool, { folder }), migrate(other, { folder })]);
    expect(runs.flatMap((run) => run.applied).sort()).toEqual(['0001_first.sql', '0002_slow.sql']);
  } finally {
    await other.end();
  }
});

test('views are made anew when one of their files changes, and only then', async () => {
  file(
    'definitions/10_two.sql',
    'create or replace function store.two() returns integer language sql return 2;',
  );
  file('views/10_numbers.sql', 'create view journey.numbers as select 1 as one, store.two() as two;');
  expect((await migrate(db.pool, { folder })).isRebuilt).toBe(true);
  expect((await migrate(db.pool, { folder })).isRebuilt).toBe(false);
  file('views/10_numbers.sql', 'create view journey.numbers as select store.two() as two;');
  expect((await migrate(db.pool, { folder })).isRebuilt).toBe(true);
  const { rows } = await db.pool.query('select * from journey.numbers');
  expect(rows).toEqual([{ two: 2 }]);
});

test('a definition may drop a function that views of the version before call', async () => {
  file(
    'definitions/10_two.sql',
    'create or replace function store.two(wrong integer) returns integer language sql return wrong;',
  );
  file('views/10_numbers.sql', 'create view journey.numbers as select store.two(2) as two;');
  await migrate(db.pool, { folder });
  file(
    'definitions/10_two.sql',
    `drop function if exists store.two(integer);
     create function store.two(right_one integer) returns integer language sql return right_one;`,
  );
  expect((await migrate(db.pool, { folder })).isRebuilt).toBe(true);
  const { rows } = await db.pool.query('select * from journey.numbers');
  expect(rows).toEqual([{ two: 2 }]);
});

test('a broken view leaves the views as they were', async () => {
  file('views/10_numbers.sql', 'create view journey.numbers as select 1 as one;');
  await migrate(db.pool, { folder });
  file('views/20_broken.sql', 'create view journey.broken as select * from journey.nothing;');
  await expect(migrate(db.pool, { folder })).rejects.toThrow(/migrations\/views\/20_broken\.sql/);
  const { rows } = await db.pool.query('select * from journey.numbers');
  expect(rows).toEqual([{ one: 1 }]);
});

test('the migrations of this repository run twice without a change', async () => {
  const copy = join(folder, 'all');
  cpSync(new URL('../../../../migrations', import.meta.url), copy, { recursive: true });
  expect((await migrate(db.pool, { folder: copy })).applied.length).toBeGreaterThan(0);
  expect(await migrate(db.pool, { folder: copy })).toEqual({ applied: [], isRebuilt: false });
});
