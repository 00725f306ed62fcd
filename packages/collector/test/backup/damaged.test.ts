/** Files that are no backup, or no whole one, and databases that are not empty. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { extract, pack } from 'tar-stream';
import { backup, checkFile, restore } from '../../src/backup/index.ts';
import { Refusal } from '../../src/refusal.ts';
import { happen } from '../deliver/fixture.ts';
import { touchpointsOfHouseholds } from '../derive/households.ts';
import { createDatabase, createEmptyDatabase, type TestDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { createSite } from '../support/site.ts';

const folder = mkdtempSync(join(tmpdir(), 'milepost-backup-'));
const file = join(folder, 'backup.tar');
let source: TestDatabase;
let target: TestDatabase;
let whole: Buffer;
beforeAll(async () => {
  source = await createDatabase();
  target = await createEmptyDatabase();
  await happen(source.pool, await createSite(source.pool), touchpointsOfHouseholds(1));
  await backup(source.pool, { file });
  whole = readFileSync(file);
});
afterAll(async () => {
  await source.drop();
  await target.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** Restores what the file holds now, and sees to it that a refusal left nothing behind. */
async function refusalOf(content: Buffer): Promise<string> {
  writeFileSync(file, content);
  const error: unknown = await restore(target.pool, { file }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Refusal);
  const { rows } = await target.pool.query(`select from pg_namespace where nspname in ('store', 'journey')`);
  expect(rows).toEqual([]);
  return (error as Refusal).message;
}

async function gathered(chunks: AsyncIterable<unknown>): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for await (const chunk of chunks) found.push(chunk as Buffer);
  return found;
}

/** The backup with one entry replaced and its sums as they were. */
async function withEntry(wanted: string, change: (content: Buffer) => Buffer): Promise<Buffer> {
  const from = extract();
  const to = pack();
  from.end(whole);
  for await (const entry of from) {
    const content = Buffer.concat(await gathered(entry));
    to.entry({ name: entry.header.name }, entry.header.name === wanted ? change(content) : content);
  }
  to.finalize();
  return Buffer.concat(await gathered(to));
}

function flipped(content: Buffer, at: number): Buffer {
  const copy = Buffer.from(content);
  copy[at]! ^= 1;
  return copy;
}

test.each([0.2, 0.5, 0.9, 0.999])('a backup cut off at %d of its length is refused', async (share) => {
  const blocks = Math.floor((whole.length * share) / 512);
  expect(await refusalOf(whole.subarray(0, blocks * 512 - 700))).toContain(
    ' is cut short: its end is missing.',
  );
});

test('a backup that ends between two of its entries is refused', async () => {
  const end = whole.lastIndexOf('SHA256SUMS.sha256\0');
  expect(await refusalOf(whole.subarray(0, end))).toContain(' is cut short: its end is missing.');
});

test('a backup with one bit turned is refused, and the error names where', async () => {
  const piece = whole.indexOf('tables/persons/000001.zst') + 512 + 200;
  expect(await refusalOf(flipped(whole, piece))).toContain(
    'is damaged: tables/persons/000001.zst is not what was backed up. Nothing was restored',
  );
  const sums = whole.indexOf('  manifest.json\n') - 5;
  expect(await refusalOf(flipped(whole, sums))).toContain('is damaged: SHA256SUMS is not what was backed up');
  const header = whole.indexOf('tables/persons/000001.zst');
  expect(await refusalOf(flipped(whole, header))).toContain('is damaged');
});

test('what is no backup is refused', async () => {
  expect(await refusalOf(Buffer.from('select 1;'))).toContain('is not a backup that milepost backup made');
  expect(await refusalOf(Buffer.alloc(0))).toContain('is not a backup that milepost backup made');
  rmSync(file);
  await expect(checkFile(file)).rejects.toThrow(`there is no file ${file}.`);
});

test('a backup of a newer form is refused', async () => {
  const newer = await withEntry('manifest.json', (content) =>
    Buffer.from(String(content).replace('"version": 1', '"version": 2')),
  );
  expect(await refusalOf(newer)).toContain(
    'is a backup of a newer Milepost (form 2, this version reads 1); restore it with that one.',
  );
});

test('a database with a site is refused with a way out, and stays as it is', async () => {
  writeFileSync(file, whole);
  await expect(restore(source.pool, { file })).rejects.toThrow(
    /^this database is not empty, .*Name a new one in DATABASE_URL/,
  );
  const { rows } = await source.pool.query('select from store.touchpoints');
  expect(rows).toHaveLength(40);
});

test('a file is checked without a database', async () => {
  writeFileSync(file, whole);
  const ended = await milepost(['restore', file, '--check', '--json']);
  expect(ended.stderr).toBe('');
  expect(JSON.parse(ended.stdout)).toMatchObject({ is_whole: true, touchpoints: 40 });
});

test('a database that a collector has only migrated is taken as empty', async () => {
  writeFileSync(file, whole);
  const migrated = await createDatabase();
  try {
    expect((await restore(migrated.pool, { file })).applied).toEqual([]);
    const { rows } = await migrated.pool.query('select from store.touchpoints');
    expect(rows).toHaveLength(40);
  } finally {
    await migrated.drop();
  }
});
