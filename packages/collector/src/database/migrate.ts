import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { Refusal } from '../refusal.ts';
import { makeSiteViews } from './readers.ts';

const defaultFolder = fileURLToPath(new URL('../../../../migrations', import.meta.url));

/** One runner at a time in a database; any fixed number will do. */
export const runnerLock = 7_365_511;

type SqlFile = { number: number; name: string; text: string; checksum: string };

/** What a run changed: the numbered files it applied, and whether functions and views were built anew. */
export type Migrated = { applied: string[]; isRebuilt: boolean };

export type MigrateOptions = {
  /** Where the files lie: `NNNN_*.sql`, `definitions/NN_*.sql`, `models/*.json`, `views/NN_*.sql`. Default: the repository's migrations/. */
  folder?: string;
  onProgress?: (line: string) => void;
};

/**
 * Brings a database to this version: numbered files once each and forward only, then functions (definitions/),
 * shipped journey models (models/) and views (views/) whole, in one transaction, when any of their files changed. Waits while another runner is at work.
 */
export async function migrate(pool: pg.Pool, options: MigrateOptions = {}): Promise<Migrated> {
  const folder = options.folder ?? defaultFolder;
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('select pg_advisory_lock($1)', [runnerLock]);
    const applied = await applyNumbered(client, folder, inTransaction, options.onProgress);
    const isRebuilt = await rebuild(client, folder, applied.length > 0, inTransaction);
    if (isRebuilt) options.onProgress?.('functions and views rebuilt');
    await makePartitions(client);
    await client.query('select pg_advisory_unlock($1)', [runnerLock]);
    return { applied, isRebuilt };
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    client.release(failure); // a failed run's connection is closed, which gives its lock back
  }
}

/** A migration as a database, or a backup of one, knows it. */
export type KnownMigration = { number: number; name: string; checksum: string };

/**
 * Makes the tables of a backup in an empty database: the numbered files that were applied where it was made, no others.
 * Joins the transaction at hand. Data of a newer version is refused.
 */
export async function makeTablesOf(
  client: pg.PoolClient,
  migrations: readonly KnownMigration[],
  folder = defaultFolder,
): Promise<void> {
  const files = await sqlFilesIn(folder);
  const known = new Map(migrations.map(({ number, ...rest }) => [number, rest]));
  refuseForeignHistory(files, known);
  for (const file of files.filter(({ number }) => known.has(number))) await applyOne(client, file);
}

/** Does what `migrate` does, within the transaction at hand. */
export async function migrateWithin(client: pg.PoolClient, folder = defaultFolder): Promise<Migrated> {
  const applied = await applyNumbered(client, folder, withinTransaction);
  const isRebuilt = await rebuild(client, folder, applied.length > 0, withinTransaction);
  await makePartitions(client);
  return { applied, isRebuilt };
}

/** What `migrate` would still do to this database: names of numbered files, and whether functions and views are older. */
export async function pendingIn(
  pool: pg.Pool,
  folder = defaultFolder,
): Promise<{ migrations: string[]; isOlder: boolean }> {
  const files = await sqlFilesIn(folder);
  const known = await appliedIn(pool);
  refuseForeignHistory(files, known);
  const migrations = files.filter(({ number }) => !known.has(number)).map(({ name }) => name);
  if (known.size === 0) return { migrations, isOlder: true };
  const { checksum } = await rebuiltFiles(folder);
  return { migrations, isOlder: (await rebuiltChecksum(pool)) !== checksum };
}

type Step = (client: pg.PoolClient, name: string, body: () => Promise<void>) => Promise<void>;

async function applyNumbered(
  client: pg.PoolClient,
  folder: string,
  step: Step,
  onProgress?: (line: string) => void,
) {
  const files = await sqlFilesIn(folder);
  const known = await appliedIn(client);
  refuseForeignHistory(files, known);
  const applied: string[] = [];
  for (const file of files.filter(({ number }) => !known.has(number))) {
    await step(client, file.name, () => applyOne(client, file));
    applied.push(file.name);
    onProgress?.(`${file.name} applied`);
  }
  return applied;
}

async function applyOne(client: pg.PoolClient, file: SqlFile): Promise<void> {
  await runFile(client, file.name, file.text);
  await client.query(`
    create table if not exists store.migrations (
      number integer primary key,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default now()
    )`);
  await client.query('insert into store.migrations (number, name, checksum) values ($1, $2, $3)', [
    file.number,
    file.name,
    file.checksum,
  ]);
}

/** Compares what was applied with the files here; a database that knows more, or knows it otherwise, is refused. */
function refuseForeignHistory(files: SqlFile[], known: Map<number, Omit<KnownMigration, 'number'>>) {
  const here = new Map(files.map((file) => [file.number, file]));
  const newestHere = Math.max(0, ...here.keys());
  const newestThere = Math.max(0, ...known.keys());
  if (newestThere > newestHere) {
    throw new Refusal(
      `the data belongs to a newer Milepost (it is at migration ${newestThere}, this version knows ${newestHere}); update Milepost, or start with another database.`,
    );
  }
  for (const [number, { name, checksum }] of known) {
    const file = here.get(number);
    if (!file)
      throw new Refusal(
        `migration ${name} was applied to this database, but its file is not here; restore it.`,
      );
    if (file.checksum !== checksum) {
      throw new Refusal(
        `migration ${file.name} was changed after it was applied to this database; restore the file and write the change as a new migration.`,
      );
    }
    if (file.name !== name) {
      throw new Refusal(
        `migration ${name} was renamed to ${file.name} after it was applied; give it its name back.`,
      );
    }
  }
}

/** Everything that is built whole, and one checksum of it. */
async function rebuiltFiles(folder: string) {
  const definitions = await sqlFilesIn(join(folder, 'definitions'));
  const models = await modelFilesIn(join(folder, 'models'));
  const views = await sqlFilesIn(join(folder, 'views'));
  const all = [...definitions, ...models, ...views];
  const checksum = checksumOf(all.map((file) => `${file.name} ${file.checksum}`).join('\n'));
  return { definitions, models, views, isEmpty: all.length === 0, checksum };
}

async function rebuiltChecksum(db: pg.Pool | pg.PoolClient): Promise<string | undefined> {
  const { rows } = await db.query<{ checksum: string }>(
    `select checksum from store.rebuilds where what = 'definitions and views'`,
  );
  return rows[0]?.checksum;
}

async function rebuild(
  client: pg.PoolClient,
  folder: string,
  isForced: boolean,
  step: Step,
): Promise<boolean> {
  const { definitions, models, views, isEmpty, checksum } = await rebuiltFiles(folder);
  if (isEmpty) return false;
  await client.query(`
    create table if not exists store.rebuilds (
      what text primary key,
      checksum text not null,
      rebuilt_at timestamptz not null default now()
    )`);
  if (!isForced && (await rebuiltChecksum(client)) === checksum) return false;
  await step(client, 'definitions and views', async () => {
    // Bodies name temporary tables and one another; whether they hold is for the tests to say.
    await client.query('set local check_function_bodies = off');
    // Views are made anew because `create or replace view` cannot rename, reorder or drop a column; they go first, for a
    // function that one of them calls could not be dropped.
    if (views.length > 0) await client.query('drop schema if exists journey cascade; create schema journey');
    for (const file of definitions) await runFile(client, `definitions/${file.name}`, file.text);
    for (const file of models) await client.query('select store.put_shipped_model($1)', [file.text]);
    for (const file of views) await runFile(client, `views/${file.name}`, file.text);
    if (views.length > 0) await makeSiteViews(client);
    await client.query(
      `insert into store.rebuilds (what, checksum) values ('definitions and views', $1)
       on conflict (what) do update set checksum = excluded.checksum, rebuilt_at = now()`,
      [checksum],
    );
  });
  return true;
}

/** Partitions are made ahead of the clock, here and daily by derive. */
async function makePartitions(client: pg.PoolClient) {
  const { rows } = await client.query<{ exists: boolean }>(
    `select to_regprocedure('store.make_partitions(timestamp with time zone)') is not null as exists`,
  );
  if (rows[0]?.exists) await client.query('select store.make_partitions(now())');
}

async function appliedIn(
  client: pg.Pool | pg.PoolClient,
): Promise<Map<number, { name: string; checksum: string }>> {
  const { rows } = await client.query<{ exists: boolean }>(
    `select to_regclass('store.migrations') is not null as exists`,
  );
  if (!rows[0]?.exists) return new Map();
  const known = await client.query<{ number: number; name: string; checksum: string }>(
    'select number, name, checksum from store.migrations order by number',
  );
  return new Map(known.rows.map(({ number, ...rest }) => [number, rest]));
}

/** The shipped journey models, one JSON document a file. */
async function modelFilesIn(folder: string): Promise<Omit<SqlFile, 'number'>[]> {
  const names = (await namesIn(folder)).filter((name) => name.endsWith('.json')).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(folder, name), 'utf8');
      return { name: `models/${name}`, text, checksum: checksumOf(text) };
    }),
  );
}

function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}

async function sqlFilesIn(folder: string): Promise<SqlFile[]> {
  const files = await Promise.all(
    (await namesIn(folder))
      .filter((name) => name.endsWith('.sql'))
      .map(async (name): Promise<SqlFile> => {
        const number = Number(/^(\d+)_/.exec(name)?.[1] ?? Number.NaN);
        if (!Number.isInteger(number))
          throw new Refusal(`${name} in ${folder} needs a number in front, as in 0007_name.sql.`);
        const text = await readFile(join(folder, name), 'utf8');
        return { number, name, text, checksum: checksumOf(text) };
      }),
  );
  files.sort((left, right) => left.number - right.number || (left.name < right.name ? -1 : 1));
  return files;
}

// Line ends do not count: git may turn them on the way to another system.
function checksumOf(text: string): string {
  return createHash('sha256').update(text.replaceAll('\r\n', '\n')).digest('hex');
}

/** A step of whoever has begun a transaction, and ends it. */
async function withinTransaction(_client: pg.PoolClient, _name: string, body: () => Promise<void>) {
  await body();
}

async function inTransaction(client: pg.PoolClient, name: string, body: () => Promise<void>) {
  await client.query('begin');
  try {
    await body();
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the connection may be what failed
    throw error instanceof Refusal || (error as Error).message.startsWith('migrations/')
      ? error
      : new Error(`migrations/${name}: ${(error as Error).message}`, { cause: error });
  }
}

/** Runs one file and says where in it PostgreSQL stumbled. */
async function runFile(client: pg.PoolClient, name: string, text: string) {
  try {
    await client.query(text);
  } catch (error) {
    const position = Number((error as { position?: string }).position ?? Number.NaN);
    const line = Number.isNaN(position) ? '' : `:${text.slice(0, position).split('\n').length}`;
    throw new Error(`migrations/${name}${line}: ${(error as Error).message}`, { cause: error });
  }
}
