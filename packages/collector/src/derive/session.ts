import type pg from 'pg';

/**
 * Makes a connection ready to derive: the workbench of temporary tables, and plans that stay right at any size. Every
 * look-up of derivation goes by key, so nested loops over indexes are the shape wanted, whatever the statistics of a
 * young table suggest.
 * @param schemas Where derived tables are found, first match first: `store`, or `pg_temp, store` over temporary twins.
 */
export async function prepareConnection(client: pg.ClientBase, schemas = 'store, pg_temp'): Promise<void> {
  await client.query(`set search_path = ${schemas}`);
  await client.query(`
    set enable_seqscan = off;
    set enable_mergejoin = off;
    set enable_hashjoin = off;
    set jit = off;
    set plan_cache_mode = force_generic_plan;
    set client_min_messages = warning;
  `);
  await client.query('select store.create_work_tables()');
}
