import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { Refusal } from '../refusal.ts';
import { randomText } from './random-text.ts';

/** What making an identity secret tells. The text is shown this once. */
export type MadeSecret = { secret: string; earlierHoldUntil: Date | null };

/**
 * Gives a site a new identity secret, the key of the proofs of its user ids. Earlier ones hold for `overlap` longer
 * (an interval, default none), so that pages and servers can change over; expired ones are deleted.
 */
export async function renewIdentitySecret(
  db: pg.Pool,
  { siteId, overlap = '0 seconds' }: { siteId: number; overlap?: string },
): Promise<MadeSecret> {
  const secret = `is_${randomText(32)}`;
  const client = await db.connect();
  try {
    await client.query('begin');
    // one at a time, else two in force
    const { rowCount } = await client.query('select from store.sites where site_id = $1 for update', [
      siteId,
    ]);
    if (!rowCount) throw new Refusal(`there is no site ${siteId}; milepost site list shows them.`);
    await client.query(
      `update store.identity_secrets set expires_at = now() + $2::interval
       where site_id = $1 and (expires_at is null or expires_at > now() + $2::interval)`,
      [siteId, overlap],
    );
    await client.query('delete from store.identity_secrets where site_id = $1 and expires_at <= now()', [
      siteId,
    ]);
    await client.query(
      'insert into store.identity_secrets (site_id, secret_id, secret) values ($1, $2, $3)',
      [siteId, randomUUID(), secret],
    );
    const { rows } = await client.query<{ latest: Date | null }>(
      'select max(expires_at) as latest from store.identity_secrets where site_id = $1',
      [siteId],
    );
    await client.query('commit');
    return { secret, earlierHoldUntil: rows[0]?.latest ?? null };
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the first error is the one to tell
    throw error;
  } finally {
    client.release();
  }
}

/** Whether a site has an identity secret with this text that still holds. */
export async function holdsIdentitySecret(db: pg.Pool, siteId: number, secret: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `select from store.identity_secrets
     where site_id = $1 and secret = $2 and (expires_at is null or expires_at > now())`,
    [siteId, secret],
  );
  return (rowCount ?? 0) > 0;
}
