/** Data of older versions, as their own programs left it, under today's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { restore } from '../../src/backup/index.ts';
import { makeTablesOf, migrate, pendingIn } from '../../src/database/migrate.ts';
import { rebuild } from '../../src/derive/index.ts';
import { expectVerified } from '../derive/views.ts';
import { serve } from '../ingest/served.ts';
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { asItWas, oldData, type OldData } from './fixture.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

async function emptyDatabase(): Promise<TestDatabase> {
  const made = await createEmptyDatabase();
  onTestFinished(made.drop);
  return made;
}

async function storedIds(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    'select touchpoint_id as id from store.touchpoints order by 1',
  );
  return rows.map(({ id }) => id);
}

/** Whether every function, view, table and column is the same as where the database was made by today's program alone. */
async function shapeOf(pool: pg.Pool): Promise<Record<string, string[]>> {
  const { rows } = await pool.query<{ kind: string; names: string[] }>(
    `select 'functions' as kind, array_agg(oid::regprocedure || ' ' || pg_get_function_result(oid) || md5(prosrc) order by 1) as names
     from pg_proc where pronamespace in ('store'::regnamespace, 'journey'::regnamespace)
     union all
     select 'columns', array_agg(attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod)
       || case when attnotnull then ' not null' else '' end order by attrelid::regclass::text, attname)
     from pg_attribute
     join pg_class on pg_class.oid = attrelid and not relispartition
     where relnamespace in ('store'::regnamespace, 'journey'::regnamespace) and relkind in ('r', 'p', 'v', 'c')
       and attnum > 0 and not attisdropped
     union all
     select 'indexes', array_agg(indexdef order by 1) from pg_indexes
     where schemaname = 'store' and tablename !~ '_\\d{4}_\\d\\d$'`,
  );
  return Object.fromEntries(
    rows.map(({ kind, names }) => [kind, names.toSorted((a, b) => (a < b ? -1 : 1))]),
  );
}

const except = (some: string[], others: string[]): string[] => some.filter((one) => !others.includes(one));
const nameOf = (signature: string): string => signature.slice(0, signature.indexOf('('));

describe.each(['0009-feed', '0024-channels'])('data of version %s', (name) => {
  let old: OldData;
  beforeAll(() => {
    old = oldData(name);
  });
  afterAll(() => old.remove());

  test('is served by this one: nothing acked is missing, keys open, and verify finds nothing after a rebuild', async () => {
    const { pool, url } = await emptyDatabase();
    await asItWas(pool, old);
    const acked = [...old.stored, ...old.buffered].toSorted();
    expect((await storedIds(pool)).length).toBe(new Set(old.stored).size);

    const collector = await serve(url, old.buffer);
    const post = await fetch(`${collector.url}/v1/events?k=${old.writeKey}`, {
      method: 'POST',
      body: JSON.stringify({
        batch: [
          {
            id: '01990000-0000-7000-8000-000000000001',
            name: 'page_view',
            anonymous_id: 'new',
            occurred_at: Date.now(),
          },
        ],
      }),
    });
    expect(post.status).toBe(200);
    const stages = await fetch(`${collector.url}/v1/stages`, {
      headers: { authorization: `Bearer ${old.secretKey}` },
    });
    expect(stages.status).toBe(200);
    expect(await collector.end('SIGTERM')).toBe(0);

    const { rows } = await pool.query('select from store.batches');
    expect(rows).toEqual([]);
    const ids = await storedIds(pool);
    expect(ids).toContain('01990000-0000-7000-8000-000000000001');
    expect(acked.filter((id) => !ids.includes(id))).toEqual([]);
    expect(ids).toHaveLength(new Set(acked).size + 1);
    await rebuild(pool, { workers: 1 });
    await expectVerified(pool);
  }, 90_000);

  test('has the tables, functions and views of a new database once it is migrated, and a backup of it too', async () => {
    const { pool: fresh } = await emptyDatabase();
    await migrate(fresh);
    const wanted = await shapeOf(fresh);

    const { pool } = await emptyDatabase();
    await asItWas(pool, old);
    await migrate(pool);
    const upgraded = await shapeOf(pool);
    expect(upgraded['columns']).toEqual(wanted['columns']);
    expect(upgraded['indexes']).toEqual(wanted['indexes']);
    // Functions of the older version that nobody calls any more may be left, but none of a name that is called.
    const [left, lost] = [
      except(upgraded['functions']!, wanted['functions']!),
      except(wanted['functions']!, upgraded['functions']!),
    ];
    expect(lost).toEqual([]);
    const names = new Set(wanted['functions']!.map(nameOf));
    expect(left.filter((found) => names.has(nameOf(found)))).toEqual([]);

    const { pool: copy } = await emptyDatabase();
    const { applied } = await restore(copy, { file: old.rows });
    expect(applied.length).toBeGreaterThan(0);
    expect(await shapeOf(copy)).toEqual(wanted);
    expect(await storedIds(copy)).toEqual(await storedIds(pool));
  }, 90_000);
});

test('data is migrated to the end by the next run when kill -9 ends one in the middle', async () => {
  const old = oldData('0009-feed');
  onTestFinished(old.remove);
  const { pool, url } = await emptyDatabase();
  await asItWas(pool, old);
  const before = await storedIds(pool);
  const { migrations } = await pendingIn(pool);
  const run = spawn(process.execPath, [main, 'migrate'], {
    env: { PATH: process.env['PATH'], DATABASE_URL: url },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await once(run.stderr, 'data'); // one is applied
  run.kill('SIGKILL');
  await once(run, 'exit');
  const { migrations: left } = await pendingIn(pool);
  expect(left.length).toBeLessThan(migrations.length);
  const again = await milepost(['migrate', '--json'], { DATABASE_URL: url });
  expect(again.stderr).toBe('');
  expect(await pendingIn(pool)).toEqual({ migrations: [], isOlder: false });
  expect(await storedIds(pool)).toEqual(before);
}, 60_000);

test('data of a newer version is refused by every command, with a way out', async () => {
  const { pool, url } = await emptyDatabase();
  await migrate(pool);
  await pool.query(
    `insert into store.migrations (number, name, checksum) values (9999, '9999_future.sql', 'x')`,
  );
  const file = join(tmpdir(), `milepost-newer-${process.pid}.tar`);
  for (const command of [['serve'], ['migrate'], ['backup', file]]) {
    const ended = await milepost(command, {
      DATABASE_URL: url,
      PORT: '0',
      BUFFER_URL: 'lmdb:/nonexistent/buffer',
    });
    expect(ended, command[0]).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^milepost: the data belongs to a newer Milepost \(it is at migration 9999, .*update Milepost/,
      ),
    });
  }
  // What restore does first with a backup that names such a migration.
  const { pool: empty } = await emptyDatabase();
  const client = await empty.connect();
  await expect(
    makeTablesOf(client, [{ number: 9999, name: '9999_future.sql', checksum: 'x' }]),
  ).rejects.toThrow('the data belongs to a newer Milepost');
  client.release();
}, 60_000);
