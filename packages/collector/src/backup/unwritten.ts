import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';

/** A collector that has not said to have stored all it acked before an instant. */
export type Behind = { collector: string; ackedUntil: string; isSilent: boolean };

const pollMilliseconds = 200;
// They tell every second.
const silentAfterSeconds = 15;

/**
 * Waits until every collector that is heard of has carried to PostgreSQL what it acked before now, at most `waitMs`.
 * Answers that instant, and who had not by then.
 */
export async function untilStored(
  client: pg.ClientBase,
  waitMs: number,
): Promise<{ ackedUntil: string; behind: Behind[] }> {
  const { rows } = await client.query<{ now: Date }>('select clock_timestamp() as now');
  const now = rows[0]!.now;
  const deadline = performance.now() + waitMs;
  for (;;) {
    const behind = await behindAt(client, now);
    const isWorthWaiting = behind.some(({ isSilent }) => !isSilent);
    if (!isWorthWaiting || performance.now() >= deadline) return { ackedUntil: now.toISOString(), behind };
    await sleep(pollMilliseconds);
  }
}

async function behindAt(client: pg.ClientBase, instant: Date): Promise<Behind[]> {
  const { rows } = await client.query<{ collector: string; acked_until: Date; is_silent: boolean }>(
    `select collectors.collector_id as collector, collectors.acked_until,
       collectors.seen_at < clock_timestamp() - make_interval(secs => $2) as is_silent
     from store.collectors
     where collectors.acked_until < $1
     order by collectors.collector_id`,
    [instant, silentAfterSeconds],
  );
  return rows.map((row) => ({
    collector: row.collector,
    ackedUntil: row.acked_until.toISOString(),
    isSilent: row.is_silent,
  }));
}
