import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { makeTablesOf, migrateWithin, runnerLock } from '../database/migrate.ts';
import { Refusal } from '../refusal.ts';
import { takeUp } from './after.ts';
import { type BackedUpTable, type Manifest, tableOf } from './format.ts';
import { checkFile, type Checked, entriesOf } from './reading.ts';
import { makeReaderSchemas } from './readers.ts';
import { prepareCopying } from './session.ts';

export type RestoreOptions = {
  file: string;
  /** Leaves every webhook disabled: for a copy that must not tell anybody. */
  isSilent?: boolean;
  onProgress?: (phase: 'checked' | 'restored', done: number, total?: number) => void;
};

export type Restored = Checked & {
  /** Migrations that the backup did not have yet. */
  applied: string[];
  /** Readers whose roles this server does not have: to be made again. */
  missingReaders: Manifest['readers'];
};

/** Puts a backup into an empty database: all of it, or, when anything fails, nothing. */
export async function restore(pool: pg.Pool, options: RestoreOptions): Promise<Restored> {
  const { file, onProgress } = options;
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('select pg_advisory_lock($1)', [runnerLock]); // a collector that starts meanwhile waits
    await refuseFilled(client);
    const checked = await checkFile(file, (bytes) => onProgress?.('checked', bytes));
    await client.query('begin');
    await prepareCopying(client);
    const restored = await restoreChecked(client, checked, options);
    await client.query('commit');
    await client.query('analyze');
    await client.query('select pg_advisory_unlock($1)', [runnerLock]);
    return restored;
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    client.release(failure); // a failed run's connection is closed, which undoes everything
  }
}

async function restoreChecked(
  client: pg.PoolClient,
  checked: Checked,
  { file, isSilent, onProgress }: RestoreOptions,
): Promise<Restored> {
  const { manifest, rows } = checked;
  await client.query(
    'drop schema if exists store cascade; drop schema if exists journey cascade; drop schema if exists rebuild cascade',
  );
  await makeTablesOf(client, manifest.migrations);
  for (const { name, partition } of manifest.tables) {
    if (partition) await makePartition(client, name, partition);
  }
  // Rows that migrations made are in the backup as well, as they were.
  await client.query(`truncate ${manifest.tables.map(({ name }) => `store.${name}`).join(', ')}`);
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
  let done = 0;
  for await (const { table, pieces } of tablesIn(file)) {
    const target = manifest.tables.find(({ name }) => name === table);
    const count = target && (await copyIn(client, target, pieces));
    if (count === undefined || count !== rows[table])
      throw new Refusal(
        `${file} is damaged: store.${table} has ${count ?? 'no'} rows where it had ${rows[table] ?? 'none'}. Nothing was restored.`,
      );
    done += count;
    onProgress?.('restored', done, total);
  }
  for (const { name, lastValue } of manifest.sequences)
    await client.query('select setval($1::regclass, $2::bigint)', [`store.${name}`, lastValue]);
  const missingReaders = await makeReaderSchemas(client, manifest.readers);
  const { applied } = await migrateWithin(client);
  await takeUp(client, { isSilent: isSilent ?? false });
  return { ...checked, applied, missingReaders };
}

/** A database is empty where no site was ever made: one that a collector has only migrated is, too. */
async function refuseFilled(client: pg.PoolClient): Promise<void> {
  const { rows: found } = await client.query<{ has_tables: boolean; has_sites: boolean }>(
    `select to_regnamespace('store') is not null or to_regnamespace('journey') is not null as has_tables,
       to_regclass('store.sites') is not null as has_sites`,
  );
  if (!found[0]?.has_tables) return;
  if (found[0].has_sites) {
    const { rows } = await client.query<{ count: number }>(
      `select count(*)::integer as count
       from (
         select from store.sites
         union all (select from store.touchpoints limit 1)
       ) as filled`,
    );
    if (rows[0]?.count === 0) return;
  }
  throw new Refusal(
    'this database is not empty, and a backup is never put over what is there. Make a new one (createdb milepost_restored), name it in DATABASE_URL, restore into it, look at it, and then let the collector use it.',
  );
}

async function makePartition(
  client: pg.PoolClient,
  name: string,
  { of, bound }: NonNullable<BackedUpTable['partition']>,
): Promise<void> {
  const { rows } = await client.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [
    `store.${name}`,
  ]);
  if (rows[0]?.exists) return; // the default partition comes with its table
  if (
    !/^[a-z_]+$/.test(of) ||
    !/^(DEFAULT|FOR VALUES FROM \('[-0-9a-f]+'\) TO \('[-0-9a-f]+'\))$/.test(bound)
  )
    throw new Refusal(`the backup names a partition that no Milepost makes (${name} ${bound}).`);
  await client.query(`create table store.${name} partition of store.${of} ${bound}`);
}

/** The tables of a backup with the pieces of each, which are to be read before the next table is asked for. */
async function* tablesIn(file: string): AsyncGenerator<{ table: string; pieces: AsyncIterable<Buffer> }> {
  const entries = entriesOf(file);
  try {
    let entry = await entries.next();
    while (!entry.done) {
      const table = tableOf(entry.value.name);
      if (table === undefined) {
        for await (const _ of entry.value.content); // the others are known already
        entry = await entries.next();
        continue;
      }
      async function* pieces(): AsyncGenerator<Buffer> {
        while (!entry.done && tableOf(entry.value.name) === table) {
          yield* entry.value.content;
          entry = await entries.next();
        }
      }
      yield { table, pieces: pieces() };
    }
  } finally {
    await entries.return(undefined);
  }
}

/** Fills a table; answers how many rows it has. */
async function copyIn(
  client: pg.PoolClient,
  { name, columns }: BackedUpTable,
  pieces: AsyncIterable<Buffer>,
): Promise<number> {
  const list = columns.map((column) => `"${column}"`).join(', ');
  const copying = client.query(copyFrom(`copy store.${name} (${list}) from stdin with (freeze)`));
  await pipeline(pieces, createZstdDecompress(), copying);
  return copying.rowCount;
}
