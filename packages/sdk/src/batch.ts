type Context = Record<string, unknown>;

/** What one request carries beside its touchpoints. */
export type BatchHead = { writeKey: string; sentAt: string; lost?: Record<string, number> | undefined };

/**
 * The body of one request. What all touchpoints say alike in their context is said once, for the batch;
 * what differs stays with each of them, so nothing is inherited that was not said.
 */
export function bodyOf(events: { context?: Context }[], { writeKey, sentAt, lost }: BatchHead): string {
  const context: Context = {};
  const first = { ...events[0]!.context };
  for (const key in first) {
    const text = JSON.stringify(first[key]);
    if (events.every((event) => JSON.stringify(event.context?.[key]) === text)) {
      context[key] = first[key];
      for (const event of events) delete event.context![key];
    }
  }
  return JSON.stringify({ writeKey, sent_at: sentAt, lost, context, batch: events });
}
