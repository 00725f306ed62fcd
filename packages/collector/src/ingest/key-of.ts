import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Key } from '../plugins/keys.ts';
import { Problem, problemForNow } from '../problems.ts';

const challenge = { 'www-authenticate': 'Bearer realm="milepost"' };

/**
 * The key texts of a request's headers and address: `Authorization: Bearer`, the user name of HTTP Basic, `?k=`, and
 * `?writeKey=`, as RudderStack's beacons have it.
 * Clients may give one in several places at once, as long as they agree.
 */
export function keyTextsOf(request: FastifyRequest): string[] {
  const texts: string[] = [];
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const bearer = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    const basic = /^Basic +([\w+/=-]+) *$/i.exec(authorization)?.[1];
    if (bearer !== undefined) texts.push(bearer);
    else if (basic !== undefined) {
      const name = Buffer.from(basic, 'base64').toString().split(':', 1)[0];
      if (name) texts.push(name);
    }
  }
  const { k, writeKey } = request.query as { k?: string | string[]; writeKey?: string | string[] };
  for (const text of [k ?? [], writeKey ?? []].flat()) {
    if (text === '') continue;
    refuseSecret(text, 'the address, where logs and histories keep it');
    texts.push(text);
  }
  return texts;
}

/** The key texts of a body: `writeKey`, as Segment's clients write it, or `write_key`. */
export function keyTextsIn(body: unknown): string[] {
  if (typeof body !== 'object' || body === null) return [];
  const { writeKey, write_key: snakeCased } = body as { writeKey?: unknown; write_key?: unknown };
  const texts = [writeKey, snakeCased].filter((text) => typeof text === 'string' && text !== '') as string[];
  for (const text of texts) refuseSecret(text, 'the body, where a page could have put it');
  return texts;
}

/** The one key that all `texts` are; throws where they disagree, or are no site's key. */
export async function keyOf(app: FastifyInstance, texts: readonly string[]): Promise<Key> {
  const [text] = texts;
  if (text === undefined) {
    throw new Problem(
      'missing-key',
      'Send the write key of the site (wk_…) as Authorization: Bearer, as `writeKey` in the body, or as ?k= in the address.',
      { headers: challenge },
    );
  }
  requireSame(texts);
  const key = app.keys.get(text) ?? (await app.keys.find(text));
  if (key) return key;
  if (!app.keys.isFresh) {
    throw problemForNow(
      'keys-unavailable',
      'The key is not known here, and the database cannot be asked: try again.',
      5,
    );
  }
  throw new Problem(
    'unknown-key',
    'No site has this key, or it was revoked: take one from `milepost key list`.',
    {
      headers: challenge,
    },
  );
}

/** Throws where the places that hold a key disagree. */
export function requireSame(texts: readonly string[]): void {
  if (texts.every((text) => text === texts[0])) return;
  throw new Problem(
    'keys-disagree',
    'The key stands in several places and is not the same in all: send one.',
  );
}

/** Throws unless `key` may send events in this request. */
export function requireIngest(key: Key, request: FastifyRequest): void {
  if (key.kind !== 'secret') return;
  if (request.headers.origin !== undefined) {
    throw new Problem(
      'secret-key-exposed',
      'The request came from a web page (it has an Origin header), whose visitors can read the secret key: revoke it, and give pages a write key.',
    );
  }
  if (!key.scopes.has('write:events')) {
    throw new Problem('missing-scope', 'The secret key lacks the scope write:events: make one that has it.');
  }
}

/** Throws where a secret key stands in a place that others can read. */
export function refuseSecret(text: string, where: string): void {
  if (!text.startsWith('sk_')) return;
  throw new Problem(
    'secret-key-exposed',
    `A secret key stands in ${where}: revoke it, and send its successor as Authorization: Bearer.`,
  );
}
