import type pg from 'pg';
import { makeTablesOf, migrateWithin, runnerLock } from '../database/migrate.ts';
import { Refusal } from '../refusal.ts';
import { takeUp } from './after.ts';
import { fillTables } from './filling.ts';
import type { Manifest } from './format.ts';
import { checkFile, type Checked } from './reading.ts';
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
  const { manifest } = checked;
  await client.query(
    'drop schema if exists store cascade; drop schema if exists journey cascade; drop schema if exists rebuild cascade',
  );
  await makeTablesOf(client, manifest.migrations);
  await fillTables(client, { file, checked, ...(onProgress && { onProgress }) });
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
    'this database is not empty, and a backup is never put over what is there. Name a new one in DATABASE_URL, as …/milepost_restored (milepost restore makes it), look at it, and then let the collector use it.',
  );
}
