import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { randomText } from './random-text.ts';

/** `write` keys are public and can only add; `secret` keys are scoped and shown once. */
export type KeyKind = 'write' | 'secret';

/** What a list may say about a key. A secret key's text is kept nowhere. */
export type KeyEntry = {
  site_id: number;
  key_id: string;
  kind: KeyKind;
  /** The whole key for a write key, its first characters for a secret key. */
  key: string;
  scopes: string[];
  created_at: Date;
  revoked_at: Date | null;
};

/** A new key: `wk_` or `sk_` and 32 random base62 characters (190 bits). */
export function newKey(kind: KeyKind): string {
  return `${kind === 'write' ? 'wk' : 'sk'}_${randomText(32)}`;
}

/** What the database knows a key by: SHA-256 of its text. A key is random, so it needs neither salt nor slowness. */
export function keyHash(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** Makes a key and returns its text; a secret key's is shown this once. */
export async function createKey(
  db: pg.Pool | pg.PoolClient,
  { siteId, kind, scopes }: { siteId: number; kind: KeyKind; scopes: readonly string[] },
): Promise<{ keyId: string; key: string }> {
  const key = newKey(kind);
  const { rows } = await db.query<{ key_id: string }>(
    `insert into store.keys (site_id, key_id, kind, key_hash, text, hint, scopes)
     values ($1, $2, $3, $4, $5, $6, $7) returning key_id`,
    [
      siteId,
      keyId(),
      kind,
      keyHash(key),
      kind === 'write' ? key : null,
      key.slice(0, 7),
      kind === 'write' ? [] : scopes,
    ],
  );
  const [row] = rows;
  if (!row) throw new Error('the key was not stored');
  return { keyId: row.key_id, key };
}

/** Every key of a site, or of all sites, the revoked ones too. */
export async function listKeys(db: pg.Pool, siteId?: number): Promise<KeyEntry[]> {
  const { rows } = await db.query<KeyEntry>(
    `select site_id, key_id, kind, coalesce(text, hint || '…') as key, scopes, created_at, revoked_at
     from store.keys
     where $1::integer is null or site_id = $1
     order by site_id, created_at, key_id`,
    [siteId ?? null],
  );
  return rows;
}

/** Revokes by id or by the key itself; false where no such live key exists. */
export async function revokeKey(db: pg.Pool, idOrKey: string): Promise<boolean> {
  const isKey = /^[ws]k_/.test(idOrKey);
  const { rowCount } = await db.query(
    `update store.keys set revoked_at = now()
     where revoked_at is null and ${isKey ? 'key_hash = $1' : 'key_id::text = lower($1)'}`,
    [isKey ? keyHash(idOrKey) : idOrKey],
  );
  return (rowCount ?? 0) > 0;
}

// A UUID v7, so that keys sort by their making.
function keyId(): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
