import type pg from 'pg';
import { schemaOfSite } from '../database/readers.ts';
import type { BackedUpTable, Manifest } from './format.ts';

/**
 * Tables of schema `store` that are not backed up: what the program makes itself, and what is about processes and
 * browsers of the moment. Every other one is, also those of later versions.
 */
const leftOut = ['migrations', 'rebuilds', 'collectors', 'sign_ins'];

export type Contents = Pick<Manifest, 'migrations' | 'tables' | 'sequences' | 'readers'> & {
  /** About how many rows there are. */
  rows: number;
};

/** What there is to back up, as this transaction sees it. Locks the tables, so that none of them is changed or dropped. */
export async function contentsOf(client: pg.ClientBase): Promise<Contents> {
  const tables = await tablesOf(client);
  await client.query(
    `lock table ${tables.map(({ name }) => `store.${name}`).join(', ')} in access share mode`,
  );
  const { rows: migrations } = await client.query<Manifest['migrations'][number]>(
    'select number, name, checksum from store.migrations order by number',
  );
  // A number is drawn before what it is for is committed, so none in this snapshot is above these.
  const { rows: sequences } = await client.query<{ name: string; lastValue: string }>(
    `select sequencename as name, last_value::text as "lastValue"
     from pg_sequences where schemaname = 'store' and last_value is not null order by sequencename`,
  );
  return {
    migrations,
    sequences,
    readers: await readersOf(client),
    tables: tables.map(({ rows: _rows, ...table }) => table),
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
  };
}

async function tablesOf(client: pg.ClientBase): Promise<(BackedUpTable & { rows: number })[]> {
  const { rows } = await client.query<{
    name: string;
    columns: string[];
    parent: string | null;
    bound: string;
    rows: number;
  }>(
    `select pg_class.relname as name, columns.names as columns, parent.relname as parent,
       pg_get_expr(pg_class.relpartbound, pg_class.oid) as bound,
       case when pg_class.reltuples >= 0 then pg_class.reltuples
         else pg_relation_size(pg_class.oid) / 200 end::double precision as rows
     from pg_class
     left join pg_inherits on pg_inherits.inhrelid = pg_class.oid
     left join pg_class as parent on parent.oid = pg_inherits.inhparent
     cross join lateral (
       select array_agg(pg_attribute.attname::text order by pg_attribute.attnum) as names
       from pg_attribute
       where pg_attribute.attrelid = pg_class.oid and pg_attribute.attnum > 0 and not pg_attribute.attisdropped
         and pg_attribute.attgenerated = ''
     ) as columns
     where pg_class.relnamespace = 'store'::regnamespace and pg_class.relkind = 'r' and pg_class.relpersistence = 'p'
       and pg_class.relname <> all ($1)
     order by pg_class.relname`,
    [leftOut],
  );
  return rows.map(({ parent, bound, ...table }) => ({
    ...table,
    ...(parent !== null && { partition: { of: parent, bound } }),
  }));
}

async function readersOf(client: pg.ClientBase): Promise<Manifest['readers']> {
  const { rows: ofAll } = await client.query<Manifest['readers'][number]>(
    `select members.rolname as role, 'journey' as schema
     from pg_auth_members
     join pg_roles as granted on granted.oid = pg_auth_members.roleid and granted.rolname = 'milepost_reader'
     join pg_roles as members on members.oid = pg_auth_members.member
     where not members.rolsuper
     order by members.rolname`,
  );
  const { rows: ofSites } = await client.query<Manifest['readers'][number]>(
    `select distinct pg_roles.rolname as role, pg_namespace.nspname as schema
     from pg_namespace
     cross join aclexplode(pg_namespace.nspacl) as given
     join pg_roles on pg_roles.oid = given.grantee
     where pg_namespace.nspname ~ ('^' || $1 || '\\d+$') and pg_roles.oid <> pg_namespace.nspowner
     order by 2, 1`,
    [schemaOfSite(0).slice(0, -1)],
  );
  return [...ofAll, ...ofSites];
}
