import { judge, readTime } from '@milepost/shared';

import type { Envelope } from '../buffer/buffer.ts';
import { type Fields, callsOf, isFields, lacksId } from '../ingest/segment/calls.ts';
import { sentAtOf, touchpointOf } from '../ingest/segment/touchpoint.ts';
import { prepare } from '../write/prepare.ts';
import type { TouchpointRow } from '../write/row.ts';
import type { Came } from './came.ts';

/** What events of a site are judged by now. */
export type Rules = {
  consentRequired: boolean;
  /** How old a touchpoint may be that does not come by import, in milliseconds. */
  longestAgeMs: number;
  retainedFrom: number;
  worthlessIds: readonly string[] | undefined;
};

/** A rejected event, as it came or repaired. */
export type Replayed = {
  siteId: number;
  rejectedId: string;
  receivedAt: number;
  ingestedBy: string;
  came: Came | null;
  /** JSON. */
  event: string;
};

export type Judged = { ok: true; row: TouchpointRow } | { ok: false; why: string };

/** Judges an event by today's rules and else as it was the first time: its times, its trust, its route. Never throws. */
export function judgedAgain(
  { siteId, receivedAt, ingestedBy, came, ...rest }: Replayed,
  rules: Rules,
): Judged {
  const event = fieldsOf(rest.event);
  if (event === null) return { ok: false, why: 'invalid: not a JSON object, or cut at 128 KiB' };
  const isImport = ingestedBy === 'import';
  const isTrusted = came?.is_trusted ?? isImport;
  const { call, sent_at: sentAt, context, message_id: messageId } = came ?? {};
  const envelope: Envelope = {
    siteId,
    receivedAt,
    isTrusted,
    ingestedBy,
    ...(came?.user_agent !== undefined && { userAgent: came.user_agent }),
    ...(came?.is_internal && { isInternal: true }),
    ...(rules.worthlessIds !== undefined && { worthlessIds: rules.worthlessIds }),
    ...(call !== undefined && { segment: { call, fallbackId: rest.rejectedId } }),
  };
  if (call !== undefined && lacksId(event)) event['messageId'] = messageId ?? rest.rejectedId;
  if (isImport && event['id'] == null) event['id'] = rest.rejectedId;

  let body: Fields = { batch: [event], sent_at: sentAt, context };
  if (call !== undefined) body = call === 'batch' ? { batch: [event], sentAt, context } : event;
  const batch = call === undefined ? undefined : callsOf(body, call);
  const touchpoint =
    call === undefined || batch === undefined
      ? event
      : touchpointOf(event, { call, index: 0, receivedAt, fallbackId: rest.rejectedId, batch });
  const verdict = judge(touchpoint, {
    isTrusted,
    receivedAt,
    sentAt: readTime(batch === undefined ? sentAt : sentAtOf(event, batch)),
    oldestLive: isImport ? null : receivedAt - rules.longestAgeMs,
    retainedFrom: rules.retainedFrom,
    consentRequired: rules.consentRequired,
    worthlessIds: rules.worthlessIds,
    sharedContext: call === undefined && isFields(context) ? context : undefined,
  });
  if (!verdict.ok) return { ok: false, why: `${verdict.reason}: ${verdict.detail}` };
  const { rows, rejects } = prepare({ envelope, body: new Uint8Array(), json: body });
  const [row] = rows;
  return row === undefined
    ? { ok: false, why: `unstorable: ${rejects[0]?.detail ?? ''}` }
    : { ok: true, row };
}

function fieldsOf(text: string): Fields | null {
  try {
    const event: unknown = JSON.parse(text);
    return isFields(event) ? event : null;
  } catch {
    return null;
  }
}
