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

/** A row as a line of COPY's text format, without `batch_id` and its end. */
export function lineOf(row: TouchpointRow): string {
  const happened = instant(row.occurredAt);
  return (
    `${row.siteId}\t${row.touchpointId}\t${row.identityId}\t${happened}\t${row.sequence}\t` +
    `${instant(row.receivedAt)}\t${instant(row.sentAt)}\t` +
    `${row.clientTime === row.occurredAt ? happened : instant(row.clientTime)}\t${field(row.name)}\t${row.type}\t` +
    `${row.source}\t${row.ingestedBy}\t${row.isTrusted ? 't' : 'f'}\t${field(row.anonymousId)}\t` +
    `${field(row.userId)}\t${field(row.accountId)}\t${json(row.identities)}\t${json(row.properties)}\t` +
    `${json(row.traits)}\t${json(row.context)}\t${field(row.givenId)}\t${row.botReason ?? '\\N'}\t` +
    `${row.internalReason ?? '\\N'}\t${row.flags === null ? '\\N' : `{${row.flags.join(',')}}`}`
  );
}
