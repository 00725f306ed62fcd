import type { Envelope } from '../buffer/buffer.ts';
import { type SegmentCall, lacksId } from '../ingest/segment/calls.ts';

/** What a request said beside an event of it, so that the event can be judged again as it was the first time. */
export type Came = {
  is_trusted: boolean;
  user_agent?: string;
  is_internal?: true;
  /** The route of Segment's HTTP API. */
  call?: SegmentCall;
  /** The id it was given, where it has none of its own. */
  message_id?: string;
  sent_at?: unknown;
  context?: unknown;
};

// What a batch says of itself is a few hundred bytes. Far more would be kept with each event of it.
const longest = 16 * 1024;

/** The JSON kept with a reject. */
export function cameOf(
  { isTrusted, userAgent, isInternal, segment }: Envelope,
  shared: { sentAt?: unknown; context?: unknown },
  { event, index }: { event: unknown; index: number },
): string {
  const came: Came = { is_trusted: isTrusted };
  if (userAgent !== undefined) came.user_agent = userAgent;
  if (isInternal) came.is_internal = true;
  if (segment) {
    came.call = segment.call;
    if (segment.fallbackId !== undefined && lacksId(event))
      came.message_id = `${segment.fallbackId}-${index}`;
  }
  if (isShort(shared.sentAt)) came.sent_at = shared.sentAt;
  if (isShort(shared.context)) came.context = shared.context;
  return JSON.stringify(came);
}

function isShort(said: unknown): boolean {
  if (said == null) return false;
  try {
    return JSON.stringify(said).length <= longest;
  } catch {
    return false; // nested too deep to be written
  }
}
