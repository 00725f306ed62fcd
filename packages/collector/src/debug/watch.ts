import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Arrived, DebugEvent } from './events.ts';
import { arrivedSince, clocksOf, derivedOf, duplicatesOf, mostAtOnce, rejectedSince } from './read.ts';

export type WatchOptions = {
  /** Whether e-mail addresses and phone numbers in properties are shown. */
  withContacts: boolean;
  /** Ends it. */
  signal: AbortSignal;
  /** Between two looks; default 250. */
  everyMs?: number;
};

const patienceMs = 60_000;
/** Who reads so slowly, or whose collector is so far behind, is told what is newest. */
const farBehindMs = 60_000;

/**
 * What arrives at a site from now on: each event with its verdict, and once it is derived, what became of it. It asks
 * PostgreSQL some small questions four times a second, so it sees what any collector takes in, and costs nothing when
 * nobody watches. Each list holds what one look saw; an empty one shows that it is still there.
 */
export async function* watchArrivals(
  pool: Pool,
  siteId: number,
  { withContacts, signal, everyMs = 250 }: WatchOptions,
): AsyncGenerator<DebugEvent[]> {
  let since = (await clocksOf(pool)).storedUntil;
  let seen = new Set<string>();
  let duplicates = await duplicatesOf(pool, siteId);
  const pending = new Map<string, number>();

  while (!signal.aborted) {
    const events: DebugEvent[] = [];
    // Read before the rows: what was received before this instant is among them.
    const { now, storedUntil } = await clocksOf(pool);
    const [arrived, rejected] = [
      await arrivedSince(pool, siteId, { since, withContacts }),
      await rejectedSince(pool, siteId, { since }),
    ];
    const isTooMuch = Math.max(arrived.length, rejected.length) > mostAtOnce;
    const isBehind = Date.parse(now) - Date.parse(since) > farBehindMs;
    const inSight = new Set<string>();
    for (const event of [...arrived, ...rejected]) {
      const id = event.type === 'touchpoint' ? event.touchpoint_id : event.rejected_id;
      inSight.add(id);
      if (seen.has(id)) continue;
      events.push(event);
      if (event.type === 'touchpoint' && isDerivable(event)) pending.set(id, Date.now() + patienceMs);
    }
    seen = inSight;
    if (isTooMuch || isBehind) {
      const reason = isTooMuch ? 'more arrives than can be shown' : 'what arrives is stored late';
      events.push({ type: 'skipped', reason: `${reason}; going on with the newest` });
      since = now;
    } else if (storedUntil > since) {
      since = storedUntil;
    }

    const repeats = await duplicatesOf(pool, siteId);
    if (repeats > duplicates)
      events.push({ type: 'duplicates', verdict: 'duplicate', count: repeats - duplicates });
    duplicates = repeats;

    if (pending.size > 0) {
      for (const derived of await derivedOf(pool, siteId, [...pending.keys()])) {
        pending.delete(derived.touchpoint_id);
        events.push(derived);
      }
      for (const [id, until] of pending)
        if (until < Date.now() || pending.size > 2 * mostAtOnce) pending.delete(id);
    }
    yield events;
    await sleep(everyMs, undefined, { signal, ref: true }).catch(() => {
      // Ended while waiting.
    });
  }
}

/** Of bots and the site's own people nothing is derived. */
function isDerivable({ verdict }: Arrived): boolean {
  return verdict === 'accepted';
}
