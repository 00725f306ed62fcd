import type { Pool } from 'pg';
import { queryRows } from '../api/rows.ts';
import type { RateTable } from './read.ts';

/** What an import of rates did. */
export type RatesImported = {
  /** Days in it, and rates of them without the base's own. */
  days: number;
  rates: number;
  /** Days whose rates are others than before: what is converted by them is derived again. */
  changed_days: number;
};

/**
 * Stores the rates of whole days in place of those the site had for these days. Orders, carts and sums follow by the
 * derivers, in small steps; until then the old amounts are shown.
 */
export async function importRates(
  pool: Pool,
  { siteId, table }: { siteId: number; table: RateTable },
): Promise<RatesImported> {
  const [row] = await queryRows<{ changed_days: number }>(pool, {
    text: 'select store.import_rates($1, $2::date[], $3::text[], $4::numeric[]) as changed_days',
    values: [
      siteId,
      table.rates.map(({ day }) => day),
      table.rates.map(({ currency }) => currency),
      table.rates.map(({ rate }) => rate),
    ],
  });
  return {
    days: table.days,
    rates: table.rates.length - table.days,
    changed_days: row?.changed_days ?? 0,
  };
}
