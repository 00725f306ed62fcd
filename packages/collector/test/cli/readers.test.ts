import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { createSite } from '../support/site.ts';

let db: TestDatabase;
let role: string;

beforeEach(async () => {
  db = await createDatabase();
  role = `reader_${process.hrtime.bigint()}`;
  for (const name of ['Ada', 'Ben']) {
    const { siteId } = await createSite(db.pool, { name });
    await db.pool.query(
      `insert into store.rejected_events (site_id, rejected_id, received_at, reason, ingested_by)
       values ($1, gen_random_uuid(), now(), 'invalid', 'events')`,
      [siteId],
    );
  }
});

afterEach(async () => {
  await db.pool.query(`drop owned by ${role}; drop role ${role}`);
  await db.drop();
});

async function reader(...args: string[]): Promise<pg.Client> {
  const { stdout, stderr } = await milepost(['reader', 'create', role, '--json', ...args], {
    DATABASE_URL: db.url,
  });
  expect(stderr).toBe('');
  const { url } = JSON.parse(stdout) as { url: string };
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

async function sitesSeenBy(client: pg.Client): Promise<number[]> {
  const { rows } = await client.query<{ site_id: number }>(
    'select site_id from rejected_events order by site_id',
  );
  return rows.map((row) => row.site_id);
}

test('a reader sees the views of every site and no private table', async () => {
  const client = await reader();
  try {
    expect(await sitesSeenBy(client)).toEqual([1, 2]);
    await client.query('select count(*) from journey.sessions');
    await expect(client.query('select from store.keys')).rejects.toThrow('permission denied');
    await expect(client.query('create table public.own (number integer)')).rejects.toThrow(
      'permission denied',
    );
  } finally {
    await client.end();
  }
});

test('a reader of one site sees that site alone, also after the views were made anew', async () => {
  const client = await reader('--site', '2');
  try {
    expect(await sitesSeenBy(client)).toEqual([2]);
    await expect(client.query('select from journey.sessions')).rejects.toThrow('permission denied');
    await expect(client.query('select from store.keys')).rejects.toThrow('permission denied');

    await db.pool.query('delete from store.rebuilds');
    expect((await migrate(db.pool)).isRebuilt).toBe(true);
    expect(await sitesSeenBy(client)).toEqual([2]);
  } finally {
    await client.end();
  }
});

test('no error message tells a reader of one site about another', async () => {
  const client = await reader('--site', '2');
  try {
    const { rows } = await client.query(`select from rejected_events where 1 / (site_id - 1) > 0`);
    expect(rows).toHaveLength(1);
  } finally {
    await client.end();
  }
});
