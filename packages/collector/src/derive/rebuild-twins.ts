import type pg from 'pg';
import { derivedTables } from './tables.ts';

/** Tables that are read while deriving, and stand still for a site that is derived again. */
const inputs = ['clocks', 'sites'];

/** Indexes that only readers use. */
const unread = [
  'identities_value',
  'identities_former_person',
  'persons_stage',
  'stage_transitions_occurred_at',
  'carts_state',
  'carts_opened_at',
  'orders_occurred_at',
  'person_days_day',
  'accounts_stage',
  'account_members_account',
];

const own = `
  create unlogged table rebuild.marks (site_id integer primary key, token uuid not null);
  create unlogged table rebuild.listed (
    site_id integer not null,
    kind text not null,
    step integer not null,
    id uuid not null,
    weight bigint not null
  );
  create index listed_step on rebuild.listed (site_id, kind, step);
  create unlogged table rebuild.steps (
    site_id integer not null,
    kind text not null,
    step integer not null,
    count bigint not null,
    primary key (site_id, kind, step)
  );
  create unlogged table rebuild.totals (
    site_id integer not null,
    kind text not null,
    count bigint not null,
    primary key (site_id, kind)
  );
  create unlogged table rebuild.mentions (
    site_id integer not null,
    identity_id uuid not null,
    mention bigint not null
  )`;

/**
 * Makes schema `rebuild` with a twin of every derived table, unless it is there. Twins of tables that have changed since
 * are made anew, and what was in them is done again.
 */
export async function prepareTwins(pool: pg.Pool): Promise<void> {
  await alone(pool, async (client) => {
    const names = [...derivedTables.map(({ name }) => name), ...inputs];
    const { rows } = await client.query<{ is_there: boolean; is_alike: boolean }>(
      `select to_regclass('rebuild.marks') is not null as is_there,
         not exists (
           select from unnest($1::text[]) as twins (name)
           where (${shapeOf('store')}) is distinct from (${shapeOf('rebuild')})
         ) as is_alike`,
      [names],
    );
    if (rows[0]?.is_there && rows[0].is_alike) return;
    await client.query('drop schema if exists rebuild cascade; create schema rebuild');
    for (const name of names) {
      await client.query(`create unlogged table rebuild.${name} (like store.${name} including all)`);
    }
    await client.query(own);
    await dropUnread(client);
  });
}

/** Drops the schema when no site is being derived again. */
export async function endTwins(pool: pg.Pool): Promise<void> {
  await alone(pool, async (client) => {
    const { rows } = await client.query<{ is_idle: boolean }>(
      'select not exists (select from store.rederivations) as is_idle',
    );
    if (rows[0]?.is_idle) await client.query('drop schema if exists rebuild cascade');
  });
}

function shapeOf(schema: string): string {
  return `select array_agg(row(attname, atttypid)::text order by attnum) from pg_attribute
    where attrelid = to_regclass('${schema}.' || twins.name) and attnum > 0 and not attisdropped`;
}

async function dropUnread(client: pg.PoolClient): Promise<void> {
  const { rows } = await client.query<{ twin: string }>(
    `select twin_indexes.indexrelid::regclass::text as twin
     from pg_index as indexes
     join pg_class as names on names.oid = indexes.indexrelid and names.relname = any ($1::text[])
     join pg_class as tables on tables.oid = indexes.indrelid and tables.relnamespace = 'store'::regnamespace
     join pg_class as twins on twins.relname = tables.relname and twins.relnamespace = 'rebuild'::regnamespace
     join pg_index as twin_indexes on twin_indexes.indrelid = twins.oid
     where regexp_replace(pg_get_indexdef(twin_indexes.indexrelid), '^.* USING', '')
       = regexp_replace(pg_get_indexdef(indexes.indexrelid), '^.* USING', '')`,
    [unread],
  );
  for (const { twin } of rows) await client.query(`drop index ${twin}`);
}

/** Runs the work while no other process makes or drops the twins. */
async function alone(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('begin');
    await client.query(`select pg_advisory_xact_lock(hashtext('milepost.rederive.twins'))`);
    await work(client);
    await client.query('commit');
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    client.release(failure); // the transaction of a failed one ends with its connection
  }
}
