import { createHmac, timingSafeEqual } from 'node:crypto';

/** Source, medium, name, term, content and id, as far as they are known. */
export type Campaign = Readonly<Record<string, string | number | undefined>>;

/** What a link in an e-mail says of itself, signed so that nobody can say otherwise. */
export type Link = {
  siteId: number;
  /** Milliseconds. From then on it is void. */
  expiresAt: number;
  /** Where a click leads; null for what is only a pixel. */
  target: string | null;
  /** The page without scripts that the pixel stands on; null for a message. */
  page: string | null;
  anonymousId: string | null;
  userId: string | null;
  identities: Record<string, string[]> | null;
  campaign: Campaign | null;
  consent: unknown;
  properties: Record<string, unknown> | null;
};

export type ReadToken =
  | { ok: true; link: Link }
  | { ok: false; reason: 'bad_token' }
  | { ok: false; reason: 'expired_token'; link: Link };

/** Longest token, so that address and headers stay below what servers and mail programs take. */
export const maxTokenLength = 6_000;

// The form of the payload; another form begins with another letter, and is signed with it.
const form = 'a';

type Payload = {
  s: number;
  x: number;
  to?: string;
  g?: string;
  a?: string;
  u?: string;
  i?: Record<string, string[]>;
  c?: Campaign;
  n?: unknown;
  p?: Record<string, unknown>;
};

/** The token of a link: its payload and HMAC-SHA-256 of that by the site's secret, both to be written in an address. */
export function tokenOf(link: Link, secret: Uint8Array): string {
  const payload: Payload = {
    s: link.siteId,
    x: link.expiresAt,
    ...(link.target !== null && { to: link.target }),
    ...(link.page !== null && { g: link.page }),
    ...(link.anonymousId !== null && { a: link.anonymousId }),
    ...(link.userId !== null && { u: link.userId }),
    ...(link.identities !== null && { i: link.identities }),
    ...(link.campaign !== null && { c: link.campaign }),
    ...(link.consent != null && { n: link.consent }),
    ...(link.properties !== null && { p: link.properties }),
  };
  const signed = `${form}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}`;
  return `${signed}.${signatureOf(signed, secret).toString('base64url')}`;
}

/** Reads a token that anybody may have sent. `secretOf` knows the secret of each site. */
export function readToken(
  token: unknown,
  { secretOf, now }: { secretOf: (siteId: number) => Uint8Array | undefined; now: number },
): ReadToken {
  const bad = { ok: false, reason: 'bad_token' } as const;
  if (typeof token !== 'string' || token.length > maxTokenLength) return bad;
  const [, signed = '', text = '', signature = ''] = /^(a\.([\w-]+))\.([\w-]{43})$/.exec(token) ?? [];
  const payload = payloadOf(text);
  const secret = payload && secretOf(payload.s);
  if (!payload || !secret) return bad;
  if (!timingSafeEqual(Buffer.from(signature, 'base64url'), signatureOf(signed, secret))) return bad;
  const link: Link = {
    siteId: payload.s,
    expiresAt: payload.x,
    target: payload.to ?? null,
    page: payload.g ?? null,
    anonymousId: payload.a ?? null,
    userId: payload.u ?? null,
    identities: payload.i ?? null,
    campaign: payload.c ?? null,
    consent: payload.n ?? null,
    properties: payload.p ?? null,
  };
  return now < link.expiresAt ? { ok: true, link } : { ok: false, reason: 'expired_token', link };
}

/** What is not signed yet is only asked for its site. */
function payloadOf(text: string): Payload | undefined {
  try {
    const payload = JSON.parse(Buffer.from(text, 'base64url').toString()) as Payload | null;
    return Number.isInteger(payload?.s) ? (payload as Payload) : undefined;
  } catch {
    return undefined;
  }
}

function signatureOf(signed: string, secret: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(`milepost-link:${signed}`).digest();
}
