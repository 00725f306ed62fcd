import type pg from 'pg';

/** What was dropped of a site, up to an instant. */
export type Cut = { siteId: number; until: Date; touchpoints: number };

/**
 * Drops what sites keep no longer as of `now`, a month of a site in one transaction. Where touchpoints before a cut still
 * wait to be derived it is left for the next time. Resolves to what was dropped.
 */
export async function keepRetention(client: pg.Client, now: Date): Promise<Cut[]> {
  const cuts: Cut[] = [];
  const { rows: sites } = await client.query<{ site_id: number }>(
    `select sites.site_id from store.sites where sites.retention > interval '0 seconds' order by sites.site_id`,
  );
  for (const { site_id: siteId } of sites) {
    for (;;) {
      const { rows: next } = await client.query<{ cut: Date | null }>(
        'select store.next_cut($1, $2) as cut',
        [siteId, now],
      );
      const until = next[0]?.cut ?? null;
      if (until === null) break;
      const { rows: done } = await client.query<{ count: string | null }>(
        'select store.retain($1, $2) as count',
        [siteId, until],
      );
      const count = done[0]?.count ?? null;
      if (count === null) break;
      cuts.push({ siteId, until, touchpoints: Number(count) });
      await client.query('select store.truncate_work_tables()');
    }
  }
  if (cuts.length > 0) await client.query('select store.drop_old_partitions()');
  return cuts;
}
