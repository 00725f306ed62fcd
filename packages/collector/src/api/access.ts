import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import { Problem } from '../problems.ts';
import { queryRows } from './rows.ts';
import type { Scope } from './scopes.ts';

/** What the key of a request opens: one site, and some of its things. */
export type Access = {
  siteId: number;
  scopes: ReadonlySet<string>;
  /** Keyed hashes of this site (its cursors) use this. It never leaves the process. */
  secret: Buffer;
};

type KeyRow = { site_id: number; kind: 'write' | 'secret'; scopes: string[]; person_secret: Buffer };

const challenge = { 'www-authenticate': 'Bearer realm="milepost"' };

/**
 * Whose request this is. Asks the database each time, so a revoked key stops working at once.
 * Throws the problem that tells the caller which key to send instead.
 */
export async function accessOf(pool: Pool, request: FastifyRequest): Promise<Access> {
  const key = bearerOf(request);
  const [row] = await queryRows<KeyRow>(pool, {
    name: 'api-key',
    text: `select keys.site_id, keys.kind, keys.scopes, sites.person_secret
      from store.keys
      join store.sites on sites.site_id = keys.site_id
      where keys.key_hash = $1 and keys.revoked_at is null`,
    values: [createHash('sha256').update(key).digest()],
  });
  if (row === undefined) {
    throw new Problem(
      'unknown-key',
      'No site has this key, or it was revoked. `milepost key list` shows the keys of a site.',
      {
        headers: challenge,
      },
    );
  }
  if (row.kind === 'write') {
    throw new Problem(
      'secret-key-required',
      'This is a write key (wk_…): it is public and can only add. Send a secret key (sk_…) from your server; `milepost key create --kind secret` makes one.',
    );
  }
  return { siteId: row.site_id, scopes: new Set(row.scopes), secret: row.person_secret };
}

/** Throws unless the key holds `scope`. */
export function requireScope(access: Access, scope: Scope): void {
  if (access.scopes.has(scope)) return;
  throw new Problem(
    'missing-scope',
    `The key lacks the scope ${scope}. Scopes are chosen when a key is made: make one that has it.`,
    {
      headers: {
        'www-authenticate': `Bearer realm="milepost", error="insufficient_scope", scope="${scope}"`,
      },
    },
  );
}

function bearerOf(request: FastifyRequest): string {
  const secretInAddress = /[?&][^=&]*=sk_/.test(request.url);
  if (secretInAddress) {
    throw new Problem(
      'secret-key-exposed',
      'A secret key stood in the address, where logs and histories keep it. Revoke it, and send its successor as `Authorization: Bearer`.',
    );
  }
  const bearer = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer === undefined) {
    throw new Problem('missing-key', 'Send a secret key as `Authorization: Bearer sk_…`.', {
      headers: challenge,
    });
  }
  if (request.headers.origin !== undefined && bearer.startsWith('sk_')) {
    throw new Problem(
      'secret-key-exposed',
      'The request came from a web page (it has an Origin header). Whoever opens that page can read the secret key: revoke it, and ask from your server.',
    );
  }
  return bearer;
}
