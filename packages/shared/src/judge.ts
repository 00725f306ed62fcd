import { Ajv, type ErrorObject } from 'ajv';
import { z } from 'zod';
import type { RejectReason } from './answer.ts';
import { isWorthlessId } from './ids.ts';
import { maxDepth, maxEventBytes } from './limits.ts';
import { occurredAtOf, readTime } from './time.ts';
import { type Consent, type Touchpoint, touchpointSchema } from './touchpoint.ts';
import { canonicalName, typeOf } from './vocabulary.ts';

/** What a touchpoint is judged by, beside itself. Instants in milliseconds since 1970. */
export type JudgeOptions = {
  /** Sent with a secret key, or imported by an operator. */
  isTrusted: boolean;
  receivedAt: number;
  /** `sent_at` of the batch as `readTime` reads it; null where there is none. */
  sentAt: number | null;
  /** Touchpoints that happened before are `too_old`; null for imports, which may be of any age. */
  oldestLive: number | null;
  /** What happened before this instant the site has dropped already: it is `before_retention`; -Infinity for none. */
  retainedFrom: number;
  consentRequired: boolean;
  /** Ids that the site knows to be nobody's, lower case and trimmed; absent for none. */
  worthlessIds?: readonly string[] | undefined;
  /** The context that the batch shares; it may hold the consent. */
  sharedContext?: { readonly consent?: unknown } | null | undefined;
  /** Size of the body the touchpoint came in. Up to 128 KiB no touchpoint in it is measured; absent: each is. */
  bodyBytes?: number;
};

/** What becomes of a touchpoint. `detail` is a JSON pointer and what is wrong there. */
export type Verdict = { ok: true } | { ok: false; reason: RejectReason; detail: string };

// zod is the only description; the hot path runs it compiled (3 to 5 µs an event against zod's 8 to 20).
const matches = new Ajv({ strict: false }).compile<Touchpoint>(
  z.toJSONSchema(touchpointSchema, { io: 'input', target: 'draft-7', unrepresentable: 'any' }),
);

const accepted: Verdict = { ok: true };
const offlineSources = new Set(['store', 'phone', 'support']);

/** Judges one touchpoint of a batch, alone: what its neighbours hold changes nothing. Never throws. */
export function judge(event: unknown, options: JudgeOptions): Verdict {
  if (options.bodyBytes === undefined || options.bodyBytes > maxEventBytes) {
    const bytes = sizeOf(event);
    if (bytes > maxEventBytes)
      return rejected('too_large', `: ${bytes} bytes; the limit is ${maxEventBytes}`);
  }
  if (!matches(event)) return explain(matches.errors?.[0]);

  const type = typeOf(event.name, event.type);
  if (type === 'track' && !event.name?.trim()) return rejected('invalid', '/name: a track needs a name');
  const name = canonicalName(event.name ?? '', type);

  const clientTime = readTime(event.occurred_at);
  if (clientTime === null) return rejected('bad_time', '/occurred_at: no readable time');
  if (options.oldestLive !== null || options.retainedFrom !== -Infinity) {
    const { sentAt, receivedAt, oldestLive, retainedFrom } = options;
    const occurredAt = occurredAtOf({ clientTime, sentAt, receivedAt });
    if (occurredAt < retainedFrom) {
      return rejected('before_retention', '/occurred_at: from before what the site keeps');
    }
    if (oldestLive !== null && occurredAt < oldestLive) {
      return rejected('too_old', '/occurred_at: older than the site accepts; import it instead');
    }
  }
  if (!hasIdentity(event, options.worthlessIds)) {
    return rejected('no_identity', '/anonymous_id: neither it nor user_id nor identities holds a usable id');
  }
  if (!options.isTrusted && event.source != null && offlineSources.has(event.source)) {
    return rejected('source_not_allowed', `/source: ${event.source} needs a secret key`);
  }
  const consent = event.context?.consent ?? (options.sharedContext?.consent as Consent | null | undefined);
  const analytics = consentTo('analytics', consent);
  if (analytics === 'denied') return rejected('consent_denied', '/context/consent: denied');
  if (analytics !== 'granted' && options.consentRequired) {
    return rejected('consent_required', '/context/consent: the site stores nothing without consent');
  }
  if (name === 'survey_answered') {
    const wrong = wrongScore(event.properties);
    if (wrong) return rejected('invalid', wrong);
  }
  for (const field of ['properties', 'traits', 'context'] as const) {
    if (isDeeper(event[field], maxDepth))
      return rejected('invalid', `/${field}: nested deeper than ${maxDepth}`);
  }
  return accepted;
}

/** The visitor's answer for one purpose; null where there is none. */
export function consentTo(
  purpose: 'analytics' | 'marketing',
  consent: Consent | null | undefined,
): 'granted' | 'denied' | 'pending' | null {
  const answer = consent !== null && typeof consent === 'object' ? consent[purpose] : consent;
  if (answer === true) return 'granted';
  if (answer === false) return 'denied';
  return answer ?? null;
}

/** The values of one identity field, as text and without the worthless ones. */
export function usableIds(
  value: string | number | readonly (string | number)[] | null | undefined,
  own?: readonly string[],
): string[] {
  if (value == null) return [];
  const values = Array.isArray(value) ? (value as (string | number)[]) : [value as string | number];
  return values.map(String).filter((id) => !isWorthlessId(id, own));
}

function isUsable(value: string | number | null | undefined, own?: readonly string[]): boolean {
  return value != null && !isWorthlessId(String(value), own);
}

function hasIdentity({ anonymous_id, user_id, identities }: Touchpoint, own?: readonly string[]): boolean {
  if (isUsable(anonymous_id, own) || isUsable(user_id, own)) return true;
  return identities != null && Object.values(identities).some((value) => usableIds(value, own).length > 0);
}

/** An NPS score is a whole number from 0 to 10; anything else would distort the figure. */
function wrongScore(properties: Touchpoint['properties']): string | null {
  if (properties?.['kind'] !== 'nps') return null;
  const score = properties['score'];
  const number = typeof score === 'string' && /^\s*\d+\s*$/.test(score) ? Number(score) : score;
  const isScore = typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= 10;
  return isScore ? null : '/properties/score: an NPS score is a whole number from 0 to 10';
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  // Twice as fast as for-in, and this runs on every object of every touchpoint.
  for (const child of Array.isArray(value) ? (value as unknown[]) : Object.values(value)) {
    if (typeof child === 'object' && isDeeper(child, levels - 1)) return true;
  }
  return false;
}

function sizeOf(event: unknown): number {
  try {
    return Buffer.byteLength(JSON.stringify(event) ?? '');
  } catch {
    return 0; // nested so deep that it cannot be written; the depth is judged below
  }
}

function explain(error: ErrorObject | undefined): Verdict {
  const missing = error?.keyword === 'required' ? `/${String(error.params['missingProperty'])}` : '';
  const pointer = `${error?.instancePath ?? ''}${missing}`;
  const reason = pointer.startsWith('/occurred_at') ? 'bad_time' : 'invalid';
  return rejected(reason, `${pointer}: ${missing ? 'is missing' : (error?.message ?? 'is not valid')}`);
}

function rejected(reason: RejectReason, detail: string): Verdict {
  return { ok: false, reason, detail };
}
