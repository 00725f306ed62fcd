import type { TouchpointRow } from './row.ts';

/** The columns of `store.touchpoints` in the order of a line, without `batch_id`, which comes last. */
export const touchpointColumns = [
  'site_id',
  'touchpoint_id',
  'identity_id',
  'occurred_at',
  'sequence',
  'received_at',
  'sent_at',
  'client_time',
  'name',
  'type',
  'source',
  'ingested_by',
  'is_trusted',
  'anonymous_id',
  'user_id',
  'account_id',
  'identities',
  'properties',
  'traits',
  'context',
  'given_id',
  'bot_reason',
  'internal_reason',
  'flags',
] as const;

const special = /[\\\t\n\r]/;
const everySpecial = /[\\\t\n\r]/g;
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** A text as a field of COPY's text format. */
export function field(text: string | null): string {
  if (text === null) return '\\N';
  return special.test(text) ? text.replaceAll(everySpecial, (character) => escapes[character]!) : text;
}

/** A JSON text as a field: its control characters are escaped already, so only backslashes are left. */
function json(text: string | null): string {
  if (text === null) return '\\N';
  return text.includes('\\') ? text.replaceAll('\\', '\\\\') : text;
}

const twoDigits = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0'));
const threeDigits = Array.from({ length: 1_000 }, (_, number) => String(number).padStart(3, '0'));
const dayMs = 86_400_000;
let lastDay = Number.NaN;
let lastDayText = '';

/** What `Date.prototype.toISOString` says of the years 0 to 9999, in a seventh of its time: days come in runs. */
export function instant(time: number | null): string {
  if (time === null) return '\\N';
  const day = Math.floor(time / dayMs);
  if (day !== lastDay) {
    lastDay = day;
    lastDayText = new Date(day * dayMs).toISOString().slice(0, 11);
  }
  const milliseconds = time - day * dayMs;
  const seconds = Math.floor(milliseconds / 1_000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return (
    `${lastDayText}${twoDigits[hours]}:${twoDigits[minutes - hours * 60]}:` +
    `${twoDigits[seconds - minutes * 60]}.${threeDigits[milliseconds - seconds * 1_000]}Z`
  );
}

/** A row as a line of COPY's text format; its last field is `batchId`. */
export function lineOf(row: TouchpointRow, batchId: string): string {
  const happened = instant(row.occurredAt);
  // Joined, it is one piece of memory; a template of so many parts must be put together when it is written, for twice
  // the time.
  return [
    row.siteId,
    row.touchpointId,
    row.identityId,
    happened,
    row.sequence,
    instant(row.receivedAt),
    instant(row.sentAt),
    row.clientTime === row.occurredAt ? happened : instant(row.clientTime),
    field(row.name),
    row.type,
    row.source,
    row.ingestedBy,
    row.isTrusted ? 't' : 'f',
    field(row.anonymousId),
    field(row.userId),
    field(row.accountId),
    json(row.identities),
    json(row.properties),
    json(row.traits),
    json(row.context),
    field(row.givenId),
    row.botReason ?? '\\N',
    row.internalReason ?? '\\N',
    row.flags === null ? '\\N' : `{${row.flags.join(',')}}`,
    `${batchId}\n`,
  ].join('\t');
}
