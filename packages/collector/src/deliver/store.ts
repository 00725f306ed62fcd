import type pg from 'pg';
import type { Attempt } from './send.ts';
import type { NextStep } from './schedule.ts';

/** A delivery that is this deliverer's to send, until its lease ends. */
export type Claimed = {
  delivery_id: string;
  webhook_id: string;
  url: string;
  type: string;
  attempt: number;
  /** As `attempt`, counted from the last replay: the place in the schedule. */
  round_attempt: number;
  body: string;
  secrets: string[];
};

/** An attempt that has ended. */
export type Ended = { claimed: Claimed; attempt: Attempt; next: NextStep; at: Date };

/** Sites where something is to be sent, or the feed has gone on. */
export async function sitesToServe(pool: pg.Pool): Promise<number[]> {
  const { rows } = await pool.query<{ sites: number[] }>({
    name: 'sites_with_deliveries',
    text: 'select store.sites_with_deliveries(clock_timestamp()) as sites',
  });
  return rows[0]?.sites ?? [];
}

const changesPerTransaction = 1_000;

/** Turns what the feed has gone on by into deliveries. */
export async function enqueue(pool: pg.Pool, siteId: number): Promise<void> {
  for (let hasMore = true; hasMore;) {
    const { rows } = await pool.query<{ has_more: boolean }>({
      name: 'enqueue_deliveries',
      text: 'select store.enqueue_deliveries($1, $2) as has_more',
      values: [siteId, changesPerTransaction],
    });
    hasMore = rows[0]?.has_more ?? false;
  }
}

/** Claims what is due at a site. Who claims must send: nobody else does before the lease has ended. */
export async function claim(
  pool: pg.Pool,
  { siteId, limit, leaseMs }: { siteId: number; limit: number; leaseMs: number },
): Promise<Claimed[]> {
  const { rows } = await pool.query<Claimed>({
    name: 'claim_deliveries',
    text: "select * from store.claim_deliveries($1, clock_timestamp(), $2, $3 * interval '1 millisecond')",
    values: [siteId, limit, leaseMs],
  });
  return rows;
}

/** Writes down how attempts ended, in one transaction. */
export async function record(pool: pg.Pool, siteId: number, ended: Ended[]): Promise<void> {
  // webhooks always in one order, and the site before them: two deliverers must not wait for each other
  const sorted = ended.toSorted((one, other) => (one.claimed.webhook_id < other.claimed.webhook_id ? -1 : 1));
  const needsSite = ended.some(
    ({ claimed, next }) => claimed.type.endsWith('.abandoned') || next.kind === 'gone',
  );
  const client = await pool.connect();
  try {
    await client.query('begin');
    if (needsSite) await client.query('select store.lock_site($1)', [siteId]);
    for (const { claimed, attempt, next, at } of sorted) {
      await client.query({
        name: 'record_attempt',
        text: 'select store.record_attempt($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)',
        values: [
          siteId,
          claimed.delivery_id,
          claimed.attempt,
          at,
          next.kind,
          attempt.status,
          attempt.error,
          attempt.headers,
          attempt.answer,
          next.kind === 'retry' ? new Date(at.getTime() + next.inMs) : null,
          next.kind === 'retry' && next.pauseMs !== undefined ? new Date(at.getTime() + next.pauseMs) : null,
          attempt.outcome.kind === 'unknown',
        ],
      });
    }
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the first error is the one to tell
    throw error;
  } finally {
    client.release();
  }
}
