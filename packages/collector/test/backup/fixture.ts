import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { onTestFinished } from 'vitest';
import { backup, restore } from '../../src/backup/index.ts';
import { createPool } from '../../src/database/pool.ts';
import { createDatabase, createEmptyDatabase, type TestDatabase } from '../support/database.ts';

/** Where a test's backup goes; removed with the test. */
export function backupFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'milepost-backup-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'backup.tar');
}

/** A migrated database of one test. */
export async function database(): Promise<TestDatabase> {
  const made = await createDatabase();
  onTestFinished(made.drop);
  return made;
}

/** A database of one test without any table. */
export async function emptyDatabase(): Promise<TestDatabase> {
  const made = await createEmptyDatabase();
  onTestFinished(made.drop);
  return made;
}

/** The URL of a database that is not there, and a pool for once it is. */
export async function missingDatabase(): Promise<TestDatabase> {
  const made = await createEmptyDatabase();
  await made.drop();
  const pool = createPool(made.url);
  onTestFinished(async () => {
    await pool.end();
    const elsewhere = new URL(made.url);
    const name = elsewhere.pathname.slice(1);
    elsewhere.pathname = '/postgres';
    const server = createPool(elsewhere.href, { connections: 1 });
    await server.query(`drop database if exists ${name} with (force)`);
    await server.end();
  });
  return { ...made, pool };
}

/** Backs a database up and restores that elsewhere. */
export async function restoredCopy(
  pool: pg.Pool,
  options: { isSilent?: boolean } = {},
): Promise<TestDatabase> {
  const file = backupFile();
  await backup(pool, { file });
  const target = await emptyDatabase();
  await restore(target.pool, { file, ...options });
  return target;
}

/** The rows of every table that is backed up, as text in an order of their own. */
export async function textOfTables(pool: pg.Pool): Promise<Record<string, string>> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select pg_class.relname as name from pg_class
     where pg_class.relnamespace = 'store'::regnamespace and pg_class.relkind = 'r'
       and pg_class.relname not in ('migrations', 'rebuilds', 'collectors', 'sign_ins')
     order by 1`,
  );
  const texts: Record<string, string> = {};
  for (const { name } of tables) {
    const { rows } = await pool.query<{ text: string }>(
      `select coalesce(string_agg(rows::text, e'\\n' order by rows::text), '') as text from store.${name} as rows`,
    );
    texts[name] = rows[0]!.text;
  }
  return texts;
}
