import pg from 'pg';

/**
 * A pool whose idle connections may die (PostgreSQL restarting) without ending the process; the next query opens a
 * fresh one. Bigints stay strings, as pg gives them.
 */
export function createPool(url: string, options: { connections?: number; name?: string } = {}): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.connections ?? 10,
    application_name: options.name ?? 'milepost',
    connectionTimeoutMillis: 5_000,
  });
  // Without a listener the loss of an idle connection ends the process.
  pool.on('error', () => {});
  return pool;
}
