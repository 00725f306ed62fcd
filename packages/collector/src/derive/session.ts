import pg from 'pg';

/**
 * Settings under which the definitions run. Every look-up of derivation goes by key, so nested loops over indexes are
 * the shape wanted, whatever the statistics of a young table suggest; definitions that join the workbench with itself
 * say otherwise for themselves. The workbench must fit `temp_buffers`, which can only be set before its first use.
 */
const settings = {
  enable_seqscan: 'off',
  enable_mergejoin: 'off',
  enable_hashjoin: 'off',
  jit: 'off',
  plan_cache_mode: 'force_generic_plan',
  temp_buffers: '64MB',
  client_min_messages: 'warning',
};

/**
 * Opens a connection of its own, ready to derive: the settings, and the workbench of temporary tables.
 * @param schemas Where derived tables are found, first match first: `store`, or `pg_temp, store` over temporary twins.
 */
export async function openSession(pool: pg.Pool, schemas = 'store, pg_temp'): Promise<pg.Client> {
  const client = new pg.Client(pool.options);
  client.on('error', () => {
    // The connection was lost while idle; the next query on it fails, and its user opens another.
  });
  await client.connect();
  try {
    const list = Object.entries(settings).map(([name, value]) => `set ${name} = '${value}'`);
    await client.query([...list, `set search_path = ${schemas}`].join('; '));
    await client.query('select store.create_work_tables()');
    return client;
  } catch (error) {
    await client.end();
    throw error;
  }
}
