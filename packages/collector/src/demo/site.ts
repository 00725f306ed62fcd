import type { Pool } from 'pg';
import { defaultScopes } from '../api/scopes.ts';
import { holdsIdentitySecret, renewIdentitySecret } from '../database/identity-secrets.ts';
import { createKey, keyHash } from '../database/keys.ts';
import { createSite, updateSite } from '../database/sites.ts';
import type { DemoState } from './state.ts';

type DemoSite = Pick<DemoState, 'site_id' | 'write_key' | 'secret_key' | 'identity_secret'>;

/** The demo's site and keys: those of the last start where this database knows them, else new ones. */
export async function demoSite(pool: Pool, last: Partial<DemoState>, url: string): Promise<DemoSite> {
  const { port } = new URL(url);
  const settings = {
    allowed_origins: [`http://127.0.0.1:${port}`, `http://localhost:${port}`],
    own_hosts: ['127.0.0.1', 'localhost'],
  };
  const known = await knownSite(pool, last);
  if (known) {
    await updateSite(pool, known.site_id, settings); // the port may be another than last time
    return { ...known, identity_secret: await identitySecret(pool, known.site_id, last.identity_secret) };
  }
  const siteId = await createSite(pool, { name: 'Demo shop', ...settings });
  const write = await createKey(pool, { siteId, kind: 'write', scopes: [] });
  const secret = await createKey(pool, { siteId, kind: 'secret', scopes: defaultScopes });
  return {
    site_id: siteId,
    write_key: write.key,
    secret_key: secret.key,
    identity_secret: await identitySecret(pool, siteId),
  };
}

/** The one of the last start where it still holds, else a new one. */
async function identitySecret(pool: Pool, siteId: number, last?: string): Promise<string> {
  if (last !== undefined && (await holdsIdentitySecret(pool, siteId, last))) return last;
  return (await renewIdentitySecret(pool, { siteId })).secret;
}

async function knownSite(
  pool: Pool,
  last: Partial<DemoState>,
): Promise<Omit<DemoSite, 'identity_secret'> | undefined> {
  const { site_id: siteId, write_key: writeKey, secret_key: secretKey } = last;
  if (siteId === undefined || !writeKey || !secretKey) return undefined;
  const { rowCount } = await pool.query(
    'select from store.keys where site_id = $1 and key_hash = any ($2::bytea[]) and revoked_at is null',
    [siteId, [keyHash(writeKey), keyHash(secretKey)]],
  );
  return rowCount === 2 ? { site_id: siteId, write_key: writeKey, secret_key: secretKey } : undefined;
}
