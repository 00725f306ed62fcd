import type { LossReason } from './delivery.ts';
import { overflowOf, type Entry } from './queue.ts';
import { attempt, type Store } from './storage.ts';

const maxCharacters = 131_072;

/** What waits to be sent: one key of the store for each touchpoint, so that tabs never overwrite each other. */
export type Outbox = ReturnType<typeof createOutbox>;

/** The outbox of one write key. All pages of the browser share it. */
export function createOutbox({
  store,
  writeKey,
  now,
  whose,
}: {
  store: Store;
  writeKey: string;
  now: () => number;
  /** Whose touchpoints those are that do not say it yet. */
  whose: () => string | undefined;
}) {
  const prefix = `milepost.q.${writeKey}.`;
  const lossKey = `milepost.lost.${writeKey}`;
  const aliveKey = `milepost.alive.${writeKey}`;
  /** What this page has queued itself: all that it may send without asking the other tabs. */
  const own = new Map<string, string>();
  const inFlight = new Set<string>();

  /** Puts our own back after a `localStorage.clear()`, which shops call on logout. */
  function restore() {
    if (store.get(aliveKey)) return;
    store.set(aliveKey, '1');
    for (const [id, text] of own) store.set(prefix + id, text);
  }

  const outbox = {
    own,
    inFlight,
    /** What is not on its way already, oldest first. */
    waiting(): Entry[] {
      restore();
      return store
        .keys()
        .filter((key) => key.startsWith(prefix))
        .sort()
        .map((key) => ({ id: key.slice(prefix.length), text: store.get(key) ?? '' }))
        .filter(({ id }) => !inFlight.has(id));
    },
    /** Keeps one touchpoint, durably before it returns where the store can. */
    enqueue(id: string, event: object) {
      const text = attempt(() => JSON.stringify(event));
      if (!text) return outbox.lose('unreadable');
      if (text.length > maxCharacters) return outbox.lose('too_large');
      restore();
      own.set(id, text);
      store.set(prefix + id, text);
      if (own.size % 100 === 0) outbox.prune();
    },
    forget(id: string) {
      own.delete(id);
      store.remove(prefix + id);
    },
    drop(id: string, reason: LossReason) {
      outbox.forget(id);
      outbox.lose(reason);
    },
    /** Drops what is too old or too much. */
    prune() {
      for (const { id, reason } of overflowOf(outbox.waiting(), now())) outbox.drop(id, reason);
    },
    /** The touchpoints of the entries. What somebody else has written into our keys is dropped. */
    read: (entries: Entry[]): { context?: Record<string, unknown> }[] =>
      entries.flatMap((entry) => {
        const event = attempt(() => JSON.parse(entry.text));
        if (event?.id === entry.id) return { anonymous_id: whose(), ...event };
        outbox.drop(entry.id, 'unreadable');
        return [];
      }),
    /** Losses that the collector has not been told of, by reason. */
    losses: (): Record<string, number> | undefined =>
      attempt(() => JSON.parse(store.get(lossKey)!)) as Record<string, number> | undefined,
    /** Counts losses; a negative count takes back what has been told. */
    lose(reason: string, count = 1) {
      const losses: Record<string, number | undefined> = { ...outbox.losses() };
      // JSON leaves undefined out
      losses[reason] = (losses[reason] ?? 0) + count || undefined;
      const text = JSON.stringify(losses);
      if (text === '{}') store.remove(lossKey);
      else store.set(lossKey, text);
    },
  };
  return outbox;
}
