import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { Refusal } from '../refusal.ts';

const { escapeIdentifier, escapeLiteral } = pg;

/** The schema with the views of one site: the same names as in `journey`. */
export function schemaOfSite(siteId: number): string {
  return `journey_site_${siteId}`;
}

/**
 * Makes a role that may log in and read, nothing else: the views of `journey`, or with a site those of the site's own
 * schema. That schema is the role's search path. Answers the password, which is kept nowhere.
 */
export async function createReader(
  db: pg.Pool,
  { role, siteId }: { role: string; siteId?: number | undefined },
): Promise<{ schema: string; password: string }> {
  const password = randomBytes(24).toString('base64url');
  const schema = siteId === undefined ? 'journey' : schemaOfSite(siteId);
  const name = escapeIdentifier(role);
  const client = await db.connect();
  try {
    await client.query('begin');
    await client.query(`create role ${name} login password ${escapeLiteral(password)}`);
    await client.query(`alter role ${name} set search_path = ${schema}`);
    if (siteId === undefined) {
      await client.query(`grant milepost_reader to ${name}`);
    } else {
      const { rowCount } = await client.query('select from store.sites where site_id = $1', [siteId]);
      if (!rowCount) throw new Refusal(`there is no site ${siteId}; milepost site list shows them.`);
      await client.query(`create schema if not exists ${schema}`);
      await client.query(`grant usage on schema ${schema} to ${name}`);
      await makeSiteViews(client);
    }
    await client.query('commit');
    return { schema, password };
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the first error is the one to tell
    const { code } = error as { code?: string };
    if (code === '42710') throw new Refusal(`there is a role ${role} already; choose another name.`);
    throw error;
  } finally {
    client.release();
  }
}

/**
 * Makes the views of every site's schema from those of `journey`, and lets the schema's readers read them. Run again
 * whenever `journey` is made anew, which drops them. They are security barriers: what a reader asks is not tried on
 * rows of other sites, so no error message tells of them.
 */
export async function makeSiteViews(client: pg.PoolClient): Promise<void> {
  await client.query(`
    do $$
    declare
      of_site record;
      reader record;
    begin
      for of_site in
        select pg_namespace.nspname as schema, substring(pg_namespace.nspname from '\\d+$') as site_id, pg_class.relname as view
        from pg_namespace
        cross join pg_class
        where pg_namespace.nspname ~ '^journey_site_\\d+$'
          and pg_class.relnamespace = 'journey'::regnamespace
          and pg_class.relkind = 'v'
          and exists (select from pg_attribute where attrelid = pg_class.oid and attname = 'site_id')
      loop
        execute format(
          'create or replace view %I.%I with (security_barrier) as select * from journey.%I where site_id = %s',
          of_site.schema, of_site.view, of_site.view, of_site.site_id
        );
      end loop;
      for reader in
        select distinct pg_namespace.nspname as schema, pg_roles.rolname as role
        from pg_namespace
        cross join aclexplode(pg_namespace.nspacl) as granted
        join pg_roles on pg_roles.oid = granted.grantee
        where pg_namespace.nspname ~ '^journey_site_\\d+$' and pg_roles.oid <> pg_namespace.nspowner
      loop
        execute format('grant select on all tables in schema %I to %I', reader.schema, reader.role);
      end loop;
    end
    $$`);
}
