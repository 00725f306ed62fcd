import type pg from 'pg';
import { allScopes } from '../../src/api/scopes.ts';
import { createKey } from '../../src/database/keys.ts';
import { createSite as insertSite, type SiteSettings } from '../../src/database/sites.ts';

/** A site and its keys. */
export type TestSite = { siteId: number; writeKey: string; secretKey: string };

/** Makes a site that takes touchpoints from every origin, with a write key and a secret key that may do everything. */
export async function createSite(
  pool: pg.Pool,
  { scopes = allScopes, ...settings }: SiteSettings & { scopes?: readonly string[] } = {},
): Promise<TestSite> {
  const siteId = await insertSite(pool, { name: 'Test', allowed_origins: ['*'], ...settings });
  const write = await createKey(pool, { siteId, kind: 'write', scopes: [] });
  const secret = await createKey(pool, { siteId, kind: 'secret', scopes });
  return { siteId, writeKey: write.key, secretKey: secret.key };
}
