import type { Touchpoint } from '@milepost/shared';
import type { Envelope } from '../buffer/buffer.ts';
import { callsOf } from '../ingest/segment/calls.ts';
import { sentAtOf, touchpointOf } from '../ingest/segment/touchpoint.ts';
import { isHttpClient } from './bots.ts';
import type { Reading } from './prepare.ts';
import { rowOf, sharedFactsOf, type SharedFacts } from './row.ts';

type SegmentEnvelope = Envelope & { segment: NonNullable<Envelope['segment']> };

/** Reads a request that came by Segment's HTTP API. */
export function readCalls(body: object, given: SegmentEnvelope): Reading {
  const { userAgent, ...rest } = given;
  // A server's library names itself in the header, and that is no visitor's browser.
  const envelope = userAgent === undefined || isHttpClient(userAgent) ? rest : given;
  const { segment, receivedAt } = given;
  const batch = callsOf(body as Record<string, unknown>, segment.call);
  const { call, fallbackId } = segment;

  let shared: SharedFacts | undefined;
  let sharedSentAt: unknown;
  /** Most calls of a batch were sent at one instant. */
  function sharedBy(sentAt: unknown): SharedFacts {
    if (shared === undefined || sentAt !== sharedSentAt) {
      sharedSentAt = sentAt;
      shared = sharedFactsOf({ sent_at: sentAt as string | undefined }, envelope);
    }
    return shared;
  }

  return {
    events: batch.calls,
    shared: batch,
    rowAt(event, index) {
      const touchpoint = touchpointOf(event, { call, index, receivedAt, fallbackId, batch });
      return rowOf(touchpoint as Touchpoint, envelope, sharedBy(sentAtOf(event, batch)));
    },
  };
}
