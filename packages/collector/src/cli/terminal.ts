import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { createPool } from '../database/pool.ts';
import { Refusal } from '../refusal.ts';

/** Where the demo keeps its data, its keys and its buffer: `.milepost` of this clone, or what `MILEPOST_FOLDER` names. */
export const demoFolder = resolve(
  process.env['MILEPOST_FOLDER'] || fileURLToPath(new URL('../../../../.milepost', import.meta.url)),
);

/** The database a command works on: `DATABASE_URL`, else that of the demo running here. */
export function databaseUrl(env: NodeJS.ProcessEnv = process.env): string {
  if (env['DATABASE_URL']) return env['DATABASE_URL'];
  const file = join(demoFolder, 'demo.json');
  if (existsSync(file)) {
    const { database_url: url } = JSON.parse(readFileSync(file, 'utf8')) as { database_url?: string };
    if (url) return url;
  }
  throw new Refusal('no database is named; set DATABASE_URL, or start the demo here with npm start.');
}

/** Runs one command's work on the database, with its errors put into sentences. */
export async function withDatabase<Result>(work: (pool: pg.Pool) => Promise<Result>): Promise<Result> {
  const pool = createPool(databaseUrl(), { name: 'milepost cli', connections: 2 });
  try {
    return await work(pool);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ECONNREFUSED' && !process.env['DATABASE_URL']) {
      throw new Refusal(
        'the demo of this folder is not running; start it with npm start, or set DATABASE_URL.',
      );
    }
    throw inOneSentence(error);
  } finally {
    await pool.end();
  }
}

/** Puts what a disk, or PostgreSQL behind a wrong address, a wrong password or an empty database, answers into a sentence. */
export function inOneSentence(error: unknown): unknown {
  const { code, message, address, port, path } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  if (error instanceof Refusal) return error;
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'ETIMEDOUT' || code === 'EHOSTUNREACH') {
    const where = address ? ` at ${address}:${port}` : '';
    return new Refusal(
      `PostgreSQL${where} does not answer (${code}); is it running, and is DATABASE_URL right?`,
    );
  }
  if (path && (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')) {
    return new Refusal(
      `${path} cannot be used by this user (${code}); was it made by another one, such as root?`,
    );
  }
  if (code === 'ENOSPC') return new Refusal(`the disk is full${path ? ` (${path})` : ''}.`);
  if (!(error instanceof pg.DatabaseError)) return error;
  if (code === '28P01' || code === '28000' || code === '3D000') {
    return new Refusal(`PostgreSQL refused the connection: ${message}; look at DATABASE_URL.`);
  }
  if (code === '42P01' || code === '3F000') {
    return new Refusal('this database has no tables of this Milepost yet; run milepost migrate first.');
  }
  if (code?.startsWith('22') || code?.startsWith('23'))
    return new Refusal(`PostgreSQL did not take that: ${message}.`);
  return error;
}

/** Prints rows as an aligned table, or one JSON document with `--json`. */
export function printRows(rows: readonly object[], { json }: { json?: boolean | undefined }): void {
  process.stdout.write(json ? `${JSON.stringify(rows, null, 2)}\n` : tableOf(rows));
}

/** Prints one thing as `name  value` lines, or one JSON line with `--json`. */
export function printOne(row: object, { json }: { json?: boolean | undefined }): void {
  const width = Math.max(...Object.keys(row).map((name) => name.length));
  const lines = Object.entries(row).map(([name, value]) => `${name.padEnd(width)}  ${textOf(value)}\n`);
  process.stdout.write(json ? `${JSON.stringify(row)}\n` : lines.join(''));
}

function tableOf(rows: readonly object[]): string {
  const [first] = rows;
  if (!first) return 'none\n';
  const names = Object.keys(first);
  const lines = [
    names,
    ...rows.map((row) => names.map((name) => textOf((row as Record<string, unknown>)[name]))),
  ];
  const widths = names.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.join(' ');
  return typeof value === 'object' ? JSON.stringify(value) : `${value as string | number | boolean}`;
}
