import type { Rejection } from '../answer.ts';
import { isFields } from './calls.ts';

const theirWords: Readonly<Record<string, string>> = {
  anonymous_id: 'anonymousId',
  user_id: 'userId',
  account_id: 'groupId',
  previous_id: 'previousId',
  occurred_at: 'timestamp',
};
const ourWords = new RegExp(`\\b(?:${Object.keys(theirWords).join('|')})\\b`, 'g');

/** Why a call was rejected, in the words of Segment's API. */
export function inTheirWords({ reason, detail }: Rejection): Rejection {
  if (detail === undefined) return { reason };
  const pointed = detail.replace(/^\/id\b/, '/messageId').replace(/^\/name: a track/, '/event: a track');
  return { reason, detail: pointed.replaceAll(ourWords, (word) => theirWords[word]!) };
}

/**
 * The answer of Segment's API, which its clients know. Calls that were rejected are named beside it; the clients
 * look at the status alone.
 */
export function answerOf(calls: readonly unknown[], rejected: Readonly<Record<number, Rejection>>): string {
  const named = Object.entries(rejected).map(([index, { reason, detail }]) => {
    const call = calls[Number(index)];
    const id =
      isFields(call) && typeof call['messageId'] === 'string' ? call['messageId'].slice(0, 100) : null;
    return { index: Number(index), id, reason, ...(detail !== undefined && { detail }) };
  });
  return JSON.stringify(named.length === 0 ? { success: true } : { success: true, rejected: named });
}
