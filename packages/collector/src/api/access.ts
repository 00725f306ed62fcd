import type { FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import type { KeyRing } from '../plugins/keys.ts';
import { Problem, problemForNow } from '../problems.ts';
import { queryRows } from './rows.ts';
import type { Scope } from './scopes.ts';

/** What the key of a request opens: one site, and some of its things. */
export type Access = {
  siteId: number;
  scopes: ReadonlySet<string>;
  /** Keyed hashes of this site (its cursors) use this. It never leaves the process. */
  secret: Buffer;
};

const challenge = { 'www-authenticate': 'Bearer realm="milepost"' };

/** Whose request this is. Throws the problem that tells the caller which key to send instead. */
export async function accessOf(
  keys: KeyRing,
  secrets: SiteSecrets,
  request: FastifyRequest,
): Promise<Access> {
  const key = await keys.find(bearerOf(request));
  if (key === undefined && !keys.isFresh) {
    throw problemForNow(
      'keys-unavailable',
      'The key may well be right; it cannot be checked. Ask again shortly.',
      5,
    );
  }
  if (key === undefined) {
    throw new Problem(
      'unknown-key',
      'No site has this key, or it was revoked. `milepost key list` shows the keys of a site.',
      { headers: challenge },
    );
  }
  if (key.kind === 'write') {
    throw new Problem(
      'secret-key-required',
      'This is a write key (wk_…): it is public and can only add. Send a secret key (sk_…) from your server; `milepost key create --site <number> --kind secret` makes one.',
    );
  }
  const { siteId } = key.site;
  return { siteId, scopes: key.scopes, secret: await secrets.of(siteId) };
}

/** The secrets of the sites. They never change, so each is read once. */
export class SiteSecrets {
  readonly #pool: Pool;
  readonly #known = new Map<number, Buffer>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async of(siteId: number): Promise<Buffer> {
    const known = this.#known.get(siteId);
    if (known !== undefined) return known;
    const [site] = await queryRows<{ person_secret: Buffer }>(this.#pool, {
      text: 'select sites.person_secret from store.sites where sites.site_id = $1',
      values: [siteId],
    });
    if (site === undefined)
      throw new Problem('unknown-key', 'The site of this key was deleted.', { headers: challenge });
    this.#known.set(siteId, site.person_secret);
    return site.person_secret;
  }
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
