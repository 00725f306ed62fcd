import { timeOfUuid } from './ids.ts';
import type { LossReason } from './delivery.ts';

/** A queued touchpoint: its id and its JSON. */
export type Entry = { id: string; text: string };

/** Browsers refuse a keepalive request once the bodies in flight pass 64 KiB together; some is left to the page. */
export const keepaliveBytes = 60_000;

/** The queue keeps at most so many touchpoints, characters and milliseconds. */
export const queueLimits = { entries: 1_000, characters: 2_000_000, ageMs: 30 * 86_400_000 };

/** The length of a text in UTF-8. */
export function bytesOf(text: string): number {
  return new Blob([text]).size;
}

/** Those of the first `maxEntries` that fit together into `maxBytes`, in order, leaving out what does not fit. */
export function takeBatch(
  entries: Entry[],
  { maxEntries, maxBytes }: { maxEntries: number; maxBytes: number },
): Entry[] {
  return entries.slice(0, maxEntries).filter(({ text }) => {
    // a text is never shorter in UTF-8: most of a long queue need not be encoded
    const left = text.length < maxBytes ? maxBytes - bytesOf(text) - 1 : 0;
    if (left > 0) maxBytes = left;
    return left > 0;
  });
}

/** The entries that must go, youngest first, and why: too old, or the queue is over its limits. */
export function overflowOf(entries: Entry[], now: number): { id: string; reason: LossReason }[] {
  let characters = 0;
  let count = 0;
  // oxlint-disable-next-line unicorn/no-array-reverse -- toReversed is younger than ES2020
  return [...entries].reverse().flatMap(({ id, text }) => {
    characters += text.length;
    // written so that an id without a readable time counts as too old
    if (!(timeOfUuid(id) > now - queueLimits.ageMs)) return { id, reason: 'expired' };
    const isOver = ++count > queueLimits.entries || characters > queueLimits.characters;
    return isOver ? { id, reason: 'queue_full' } : [];
  });
}
