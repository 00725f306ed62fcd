import { hash } from 'node:crypto';
import { type RejectReason, isOnlyCounted, maxEventBytes, uuidV8 } from '@milepost/shared';
import type { ClientBase } from 'pg';
import { type Counts, utcDayOf } from './counters.ts';
import { storable } from './text.ts';

/** An event that is not stored, as `store.rejected_events` keeps it. */
export type Reject = {
  siteId: number;
  receivedAt: number;
  reason: RejectReason;
  detail: string | null;
  /** The event as received; cut at 128 KiB. */
  event: string;
  ingestedBy: string;
  /** JSON of what its request said beside it (`Came`); absent where nothing else is known. */
  came?: string;
  /** Which of several equal events of one request, file or stream it was. */
  index: number;
};

/**
 * Keeps rejects, within the caller's transaction, and counts them by reason. Their ids come from what they are, so
 * a repeat keeps nothing twice. Those without consent are counted alone.
 */
export async function storeRejected(
  client: ClientBase,
  rejects: readonly Reject[],
  counts: Counts,
): Promise<void> {
  for (const { siteId, receivedAt, reason } of rejects) counts.add(siteId, utcDayOf(receivedAt), reason, 1);
  const kept = rejects.filter(({ reason }) => !isOnlyCounted(reason));
  if (kept.length === 0) return;
  await client.query({
    name: 'milepost-store-rejected',
    text: `insert into store.rejected_events (site_id, rejected_id, received_at, reason, detail, event, ingested_by, came)
      select site_id, rejected_id, received_at, reason, detail, event, ingested_by, came
      from unnest($1::integer[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
        as rejects (site_id, rejected_id, received_at, reason, detail, event, ingested_by, came)
      on conflict do nothing`,
    values: [
      kept.map(({ siteId }) => siteId),
      kept.map(rejectedIdOf),
      kept.map(({ receivedAt }) => new Date(receivedAt).toISOString()),
      kept.map(({ reason }) => reason),
      kept.map(({ detail }) => (detail === null ? null : storable(detail))),
      kept.map(({ event }) => storable(cut(event, maxEventBytes))),
      kept.map(({ ingestedBy }) => ingestedBy),
      kept.map(({ came }) => (came === undefined ? null : storable(came))),
    ],
  });
}

function rejectedIdOf({ siteId, receivedAt, index, ingestedBy, event }: Reject): string {
  return uuidV8(receivedAt, hash('sha256', `${siteId}:${receivedAt}:${index}:${ingestedBy}:${event}`, 'hex'));
}

function cut(text: string, bytes: number): string {
  return text.length * 3 <= bytes || Buffer.byteLength(text) <= bytes
    ? text
    : Buffer.from(text).subarray(0, bytes).toString();
}
