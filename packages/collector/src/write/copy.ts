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

// Most instants of a row, and all `received_at` and `sent_at` of a request, are the one just printed.
let printed = Number.NaN;
let printedText = '';

function instant(time: number | null): string {
  if (time === null) return '\\N';
  if (time !== printed) {
    printed = time;
    printedText = new Date(time).toISOString();
  }
  return printedText;
}

/** A row as a line of COPY's text format, without `batch_id` and the end of the line. */
export function lineOf(row: TouchpointRow): string {
  const happened = instant(row.occurredAt);
  const said = instant(row.clientTime);
  return (
    `${row.siteId}\t${row.touchpointId}\t${row.identityId}\t${happened}\t${row.sequence}\t` +
    `${instant(row.receivedAt)}\t${instant(row.sentAt)}\t${said}\t${field(row.name)}\t${row.type}\t` +
    `${row.source}\t${row.ingestedBy}\t${row.isTrusted ? 't' : 'f'}\t${field(row.anonymousId)}\t` +
    `${field(row.userId)}\t${field(row.accountId)}\t${json(row.identities)}\t${json(row.properties)}\t` +
    `${json(row.traits)}\t${json(row.context)}\t${field(row.givenId)}\t${row.botReason ?? '\\N'}\t` +
    `${row.internalReason ?? '\\N'}\t${row.flags === null ? '\\N' : `{${row.flags.join(',')}}`}`
  );
}
