import { hash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { fastifyPlugin } from 'fastify-plugin';
import type { Pool } from 'pg';
import { internalNetworks } from '../ingest/internal.ts';

declare module 'fastify' {
  interface FastifyInstance {
    keys: KeyRing;
  }
}

/** What ingest needs to know of a site. */
export type Site = {
  siteId: number;
  allowedOrigins: ReadonlySet<string>;
  consentRequired: boolean;
  /** Live touchpoints that happened before are too old; milliseconds. */
  oldestLive: number;
  /** What happened before was dropped; -Infinity for nothing. Milliseconds. */
  retainedFrom: number;
  /** Whether an address is one of the site's own people; null where none are named. */
  isInternal: ((address: string) => boolean) | null;
  /** Ids that are nobody's, beside the shipped ones; undefined for none. */
  worthlessIds: readonly string[] | undefined;
  /** Signs the links of its e-mails. */
  linkSecret: Buffer;
};

export type Key = {
  kind: 'write' | 'secret';
  scopes: ReadonlySet<string>;
  site: Site;
  /** Short and unlike the key itself; for the rate limit. */
  name: string;
};

type KeyRow = {
  key_hash: string;
  kind: 'write' | 'secret';
  scopes: string[];
  site_id: number;
  allowed_origins: string[];
  consent_required: boolean;
  internal_networks: string[];
  worthless_ids: string[];
  oldest_live: string;
  retained_from: string;
  link_secret: Buffer;
};

// A revoked key stops working within a second: this, plus a query.
const refreshMs = 400;
// The instant before which a touchpoint is too old moves on; so everything is read anew at least this often.
const reloadMs = 30_000;
// After this long without an answer from PostgreSQL a key that is not known may well be a new one.
const staleMs = 3_000;
// Between two looks for an unknown key: whoever sends random keys cannot make PostgreSQL work harder than this.
const leastBetweenLooksMs = 50;
const queryTimeoutMs = 2_000;

/**
 * Every valid key with its site, in memory: PostgreSQL is never on the way of a request, and its absence stops
 * nobody whose key was known. Read anew whenever something changed.
 */
export class KeyRing {
  readonly #pool: Pool;
  readonly #onError: (error: unknown) => void;
  #keys: ReadonlyMap<string, Key> = new Map();
  #sites: ReadonlyMap<number, Site> = new Map();
  #origins: ReadonlySet<string> = new Set();
  #revision = '';
  #loadedAt = Number.NEGATIVE_INFINITY;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(pool: Pool, onError: (error: unknown) => void) {
    this.#pool = pool;
    this.#onError = onError;
  }

  async start(): Promise<void> {
    await this.refresh();
    this.#timer = setInterval(() => void this.refresh(), refreshMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#refreshing;
  }

  /** The key that `text` is, as far as is known here. */
  get(text: string): Key | undefined {
    return this.#keys.get(hash('sha256', text, 'base64'));
  }

  /** A site that has a key. */
  siteOf(siteId: number): Site | undefined {
    return this.#sites.get(siteId);
  }

  /** As `get`, and looks into PostgreSQL for one that is not known: it may have been made a moment ago. */
  async find(text: string): Promise<Key | undefined> {
    const known = this.get(text);
    if (known) return known;
    await this.#refreshing; // began before this look, and may have read before the key was there
    const wait = this.#checkedAt + leastBetweenLooksMs - performance.now();
    if (wait > 0) await setTimeout(wait);
    await this.refresh();
    return this.get(text);
  }

  /** Whether "no such key" can be believed. */
  get isFresh(): boolean {
    return performance.now() - this.#checkedAt < staleMs;
  }

  /** Whether any site allows the origin: all that a preflight can be told, for it carries no key. */
  isOriginOfAnySite(origin: string): boolean {
    return isOriginIn(this.#origins, origin);
  }

  refresh(): Promise<void> {
    this.#refreshing ??= this.#load()
      .catch(this.#onError)
      .finally(() => {
        this.#refreshing = null;
      });
    return this.#refreshing;
  }

  async #load(): Promise<void> {
    const now = performance.now();
    const revisions = await this.#query<{ revision: string }>(`
      select md5(
        coalesce((select string_agg(keys::text, ',' order by keys.site_id, keys.key_id) from store.keys), '')
        || coalesce((select string_agg(sites::text, ',' order by sites.site_id) from store.sites), '')
      ) as revision`);
    const revision = revisions[0]?.revision ?? '';
    if (revision !== this.#revision || now - this.#loadedAt > reloadMs) {
      const rows = await this.#query<KeyRow>(`
        select
          encode(keys.key_hash, 'base64') as key_hash,
          keys.kind,
          keys.scopes,
          keys.site_id,
          sites.allowed_origins,
          sites.consent_required,
          sites.internal_networks,
          sites.worthless_ids,
          sites.link_secret,
          extract(epoch from now() - sites.oldest_live_touchpoint) * 1000 as oldest_live,
          extract(epoch from sites.retained_from) * 1000 as retained_from
        from store.keys
        join store.sites on sites.site_id = keys.site_id
        where keys.revoked_at is null`);
      this.#keys = new Map(rows.map((row) => [row.key_hash, keyOf(row)]));
      this.#sites = new Map([...this.#keys.values()].map(({ site }) => [site.siteId, site]));
      this.#origins = new Set(rows.flatMap((row) => row.allowed_origins));
      this.#revision = revision;
      this.#loadedAt = now;
    }
    this.#checkedAt = now;
  }

  async #query<Row extends object>(text: string): Promise<Row[]> {
    // `query_timeout` is pg's own, per query; its types leave it out.
    const result = await this.#pool.query<Row>({ text, query_timeout: queryTimeoutMs } as { text: string });
    return result.rows;
  }
}

/** Exact match, or `*`. `null` is the origin of sandboxed frames and files, which anyone can be. */
export function isOriginIn(allowed: ReadonlySet<string>, origin: string): boolean {
  return origin !== 'null' && (allowed.has(origin) || allowed.has('*'));
}

function keyOf(row: KeyRow): Key {
  return {
    kind: row.kind,
    scopes: new Set(row.scopes),
    name: row.key_hash.slice(0, 16),
    site: {
      siteId: row.site_id,
      allowedOrigins: new Set(row.allowed_origins),
      consentRequired: row.consent_required,
      oldestLive: Number(row.oldest_live),
      retainedFrom: Number(row.retained_from),
      isInternal: internalNetworks(row.internal_networks),
      worthlessIds: row.worthless_ids.length > 0 ? row.worthless_ids : undefined,
      linkSecret: row.link_secret,
    },
  };
}

/** Gives the app its `keys`, and stops looking after them when it closes. */
export const keys = fastifyPlugin(
  async (app: FastifyInstance, { pool }: { pool: Pool }) => {
    const ring = new KeyRing(pool, (err) =>
      app.log.warn({ err }, 'keys could not be read; the known ones stay valid'),
    );
    await ring.start();
    app.decorate('keys', ring);
    app.addHook('onClose', () => ring.stop());
  },
  { name: 'keys' },
);
