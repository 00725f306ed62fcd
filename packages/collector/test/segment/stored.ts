import { expect } from 'vitest';
import { runCollector } from '../../../sdk/test/support/collector.ts';
import { createKey } from '../../src/database/keys.ts';

/** A whole collector, and what it stored and derived of its one site. */
export async function runSegmentCollector() {
  const collector = await runCollector({ roles: 'ingest,write,derive' });
  const { pool, siteId } = collector;
  const { key: secretKey } = await createKey(pool, { siteId, kind: 'secret', scopes: ['write:events'] });
  return Object.assign(collector, {
    secretKey,

    /** Rows of a query, where $1 is the site. */
    async rows<Row extends object>(query: string, ...values: unknown[]): Promise<Row[]> {
      return (await pool.query<Row>(query, [siteId, ...values])).rows;
    },

    /** Looks again until the rows are these. */
    async eventually(rows: () => Promise<unknown[]>, expected: unknown): Promise<void> {
      await expect.poll(rows, { timeout: 15_000, interval: 100 }).toEqual(expected);
    },
  });
}

/** {@link runSegmentCollector}, running. */
export type SegmentCollector = Awaited<ReturnType<typeof runSegmentCollector>>;
