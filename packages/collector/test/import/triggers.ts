import type pg from 'pg';

/** How many triggers and deliveries a site has; none where this version keeps none at all. */
export async function triggersOf(pool: pg.Pool, siteId: number): Promise<number> {
  let count = 0;
  for (const view of ['journey.cart_triggers', 'journey.webhook_deliveries']) {
    const { rows } = await pool.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [
      view,
    ]);
    if (!rows[0]?.exists) continue;
    const found = await pool.query(`select from ${view} where site_id = $1`, [siteId]);
    count += found.rowCount ?? 0;
  }
  return count;
}
