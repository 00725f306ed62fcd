import pg from 'pg';
import type { Manifest } from './format.ts';

/**
 * Makes the schemas that readers of one site read, and lets those read them whose roles this server has. Answers the
 * readers without a role.
 */
export async function makeReaderSchemas(
  client: pg.PoolClient,
  readers: Manifest['readers'],
): Promise<Manifest['readers']> {
  const { rows } = await client.query<{ rolname: string }>(
    'select rolname from pg_roles where rolname = any ($1)',
    [readers.map(({ role }) => role)],
  );
  const roles = new Set(rows.map(({ rolname }) => rolname));
  for (const { role, schema } of readers) {
    if (schema === 'journey') continue; // the role that all of them belong to is granted with the views
    const name = pg.escapeIdentifier(schema);
    await client.query(`create schema if not exists ${name}`);
    if (roles.has(role)) await client.query(`grant usage on schema ${name} to ${pg.escapeIdentifier(role)}`);
  }
  return readers.filter(({ role }) => !roles.has(role));
}
