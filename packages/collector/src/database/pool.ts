import pg from 'pg';

/**
 * A pool whose connections may die at any instant (PostgreSQL restarting) without ending the process; the next query opens a
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
  // So does that of one which is lost before whoever asked for it hears that he has it; his query then fails.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}
