import { createHash, randomBytes } from 'node:crypto';
import type { Pool } from 'pg';

// A token is 32 random bytes that only the link or the cookie holds; the database knows its SHA-256 alone, so a
// copy of the database lets nobody in.

const linkHours = 24;
/** How long a browser stays signed in. */
export const browserDays = 30;

/** Makes a link that signs a browser in. It works for 24 hours, in as many browsers as it is opened in. */
export async function signInLink({ pool, url }: { pool: Pool; url: string }): Promise<string> {
  const token = await createToken(pool, 'link', linkHours);
  return `${url}/sign-in?token=${token}`;
}

/** The token for a browser's cookie in exchange for that of a link; undefined where the link is unknown or too old. */
export async function exchangeLink(pool: Pool, linkToken: string): Promise<string | undefined> {
  if (!(await isValid(pool, 'link', linkToken))) return undefined;
  await pool.query('delete from store.sign_ins where expires_at < now()');
  return createToken(pool, 'browser', browserDays * 24);
}

/** Whether the token of a cookie is one of ours and still good. */
export async function isSignedIn(pool: Pool, token: string | undefined): Promise<boolean> {
  return token !== undefined && isValid(pool, 'browser', token);
}

/** Makes the token of a cookie worthless. */
export async function signOut(pool: Pool, token: string): Promise<void> {
  await pool.query('delete from store.sign_ins where token_hash = $1', [hashOf(token)]);
}

async function createToken(pool: Pool, kind: 'link' | 'browser', hours: number): Promise<string> {
  const token = randomBytes(32).toString('base64url');
  await pool.query(
    `insert into store.sign_ins (token_hash, kind, expires_at) values ($1, $2, now() + make_interval(hours => $3))`,
    [hashOf(token), kind, hours],
  );
  return token;
}

async function isValid(pool: Pool, kind: 'link' | 'browser', token: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    'select from store.sign_ins where token_hash = $1 and kind = $2 and expires_at > now()',
    [hashOf(token), kind],
  );
  return rowCount === 1;
}

const hashOf = (token: string) => createHash('sha256').update(token).digest();
