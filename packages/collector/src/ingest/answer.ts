import { maxIdLength, type RejectReason } from '@milepost/shared';

/** What `judge` said against an event. */
export type Rejection = { reason: RejectReason; detail?: string };

// Characters that need no escape in JSON: those of every id that a library makes.
const plain = /^[\w.:-]{1,100}$/;

/**
 * The answer to a batch, written by hand: one result an event, in order. The id comes back as the client wrote it,
 * so that the client can match it; null where there is none.
 */
export function answerOf(batch: readonly unknown[], rejected: Record<number, Rejection>): string {
  let text = '{"results":[';
  for (let index = 0; index < batch.length; index += 1) {
    if (index > 0) text += ',';
    const rejection = rejected[index];
    const id = idText(batch[index]);
    if (rejection === undefined) {
      text += `{"id":${id},"status":"accepted"}`;
    } else {
      const { reason, detail } = rejection;
      text += `{"id":${id},"status":"rejected","reason":"${reason}"`;
      if (detail !== undefined) text += `,"detail":${JSON.stringify(detail)}`;
      text += '}';
    }
  }
  return `${text}]}`;
}

function idText(event: unknown): string {
  const id = typeof event === 'object' && event !== null ? (event as { id?: unknown }).id : undefined;
  if (typeof id !== 'string' || id.length > maxIdLength) return 'null';
  return plain.test(id) ? `"${id}"` : JSON.stringify(id);
}
