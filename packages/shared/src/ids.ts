import { createHmac, hash } from 'node:crypto';
import { v7 } from 'uuid';

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;
const millisecondsInside = /(?<!\d)[1-9]\d{12}(?!\d)/;

/** A new id for a touchpoint: a UUID v7 of `now` (default: the clock). */
export function newId(now?: number): string {
  return v7(now === undefined ? undefined : { msecs: now });
}

/** Whether a text is a UUID v7, in either case. */
export function isUuidV7(text: string): boolean {
  return text.length === 36 && uuidV7.test(text);
}

/**
 * The stored id of a touchpoint. A UUID v7 is kept, in lower case. Any other text becomes a UUID v8 of nothing but
 * the site and that text, so that a resend with another time is still the same touchpoint: 48 bits of time from the
 * 13-digit milliseconds inside ids like `ajs-next-<ms>-…` (else zero), the rest SHA-256 of `<site>:<id>`.
 */
export function touchpointIdOf(siteId: number, idText: string): { touchpointId: string; isGiven: boolean } {
  if (isUuidV7(idText)) return { touchpointId: idText.toLowerCase(), isGiven: true };
  const time = Number(millisecondsInside.exec(idText)?.[0] ?? 0);
  return { touchpointId: uuidV8(time, hash('sha256', `${siteId}:${idText}`, 'hex')), isGiven: false };
}

/** A UUID v8: 48 bits of milliseconds, then 74 bits from the start of `hex`. */
export function uuidV8(time: number, hex: string): string {
  const timeHex = time.toString(16).padStart(12, '0');
  return asUuidV8(timeHex + hex.slice(0, 20));
}

/** Prints 32 hex digits as a UUID, with version 8 and the RFC 9562 variant put over its bits. */
function asUuidV8(hex: string): string {
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return asUuid(`${hex.slice(0, 12)}8${hex.slice(13, 16)}${variant}${hex.slice(17, 32)}`);
}

function asUuid(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

/**
 * The key of one identity (`user_id`, `anonymous_id`, `email_sha256`, …): the first 16 bytes of SHA-256 of
 * `<type>:<value>`, printed as a UUID without version bits. Twin of the SQL function `store.identity_id`.
 */
export function identityIdOf(type: string, value: string): string {
  return asUuid(hash('sha256', `${type}:${value}`, 'hex'));
}

/**
 * The person whose anchor identity this is: a UUID v8 of HMAC-SHA-256 by the site's secret, so that nobody can
 * compute it from an e-mail address. Twin of the SQL function `store.person_id`.
 */
export function personIdOf(secret: Uint8Array, type: string, value: string): string {
  return asUuidV8(createHmac('sha256', secret).update(`${type}:${value}`).digest('hex'));
}

const worthless = new Set(
  'null|undefined|none|nan|true|false|guest|anonymous|unknown|user|test|-1|[object object]'.split('|'),
);

/**
 * Whether a value cannot be anybody's id: empty, `null`, `guest`, all zeros and dashes and the like, in any case, or
 * one of a site's `own` (lower case, trimmed). Such a value never resolves; the touchpoint lives on under its other
 * identities.
 */
export function isWorthlessId(value: string, own?: readonly string[]): boolean {
  // Nearly every id is long and begins with neither space nor zero nor dash: nothing to trim, and nothing it could be.
  if (own === undefined && value.length > longestWorthless && isInside(value)) return false;
  const text = value.trim().toLowerCase();
  return worthless.has(text) || /^[0-]*$/.test(text) || (own !== undefined && own.includes(text));
}

const longestWorthless = Math.max(...[...worthless].map(({ length }) => length));

/** Whether a text has no space around it and something else than zeros and dashes within its first characters. */
function isInside(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  const [first, second] = [text.charCodeAt(0), text.charCodeAt(1)];
  const isSomething = (code: number) => code > 48 && code < 127;
  return first > 32 && first < 127 && last > 32 && last < 127 && (isSomething(first) || isSomething(second));
}
