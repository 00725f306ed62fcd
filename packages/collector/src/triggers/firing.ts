import type { ClientBase } from 'pg';

/** How many triggers one transaction fires. */
const triggersPerTransaction = 200;

/**
 * Fires every trigger that is due at `at` (default: now) where derivation has caught up, site by site. Any number of
 * firers may do so at once: each trigger is fired by one of them.
 */
export async function fireTriggers(client: ClientBase, at?: Date): Promise<number> {
  const { rows } = await client.query<{ sites: number[] }>({
    name: 'sites_with_due_triggers',
    text: 'select store.sites_with_due_triggers(coalesce($1::timestamptz, clock_timestamp())) as sites',
    values: [at ?? null],
  });
  let total = 0;
  for (const site of rows[0]?.sites ?? []) {
    let handled = triggersPerTransaction;
    while (handled === triggersPerTransaction) {
      const { rows: fired } = await client.query<{ handled: number }>({
        name: 'fire_triggers',
        text: 'select store.fire_triggers($1, $2, $3) as handled',
        values: [site, at ?? null, triggersPerTransaction],
      });
      handled = fired[0]?.handled ?? 0;
      total += handled;
    }
  }
  return total;
}

export type SilentCollector = { collectorId: string; seenAt: Date };

/** Collectors that have been silent for longer than a site waits for them. After a week they are forgotten. */
export async function silentCollectors(client: ClientBase): Promise<SilentCollector[]> {
  await client.query(
    "delete from store.collectors where collectors.seen_at < clock_timestamp() - interval '7 days'",
  );
  const { rows } = await client.query<SilentCollector>({
    name: 'silent_collectors',
    text: `select collectors.collector_id as "collectorId", collectors.seen_at as "seenAt"
      from store.collectors
      where collectors.seen_at < clock_timestamp() - (select min(sites.collector_silence_limit) from store.sites)
      order by collectors.collector_id`,
  });
  return rows;
}
