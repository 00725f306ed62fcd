import type pg from 'pg';
import { derivedTables, type DerivedTable } from './tables.ts';
import { columnsOf, type RebuildOptions } from './twins.ts';

/**
 * Makes the live rows of a site equal to those derived again, touching only rows that differ, and gives the site the
 * settings that waited for them. Resolves to the number of rows changed.
 */
export async function makeEqual(
  client: pg.Client,
  siteId: number,
  onProgress: RebuildOptions['onProgress'],
): Promise<number> {
  await client.query(
    `set local enable_seqscan = on; set local enable_hashjoin = on; set local enable_mergejoin = on;
     set local plan_cache_mode = auto`,
  );
  const settings = await pendingSettings(client, siteId);
  const isChanged = settings.length > 0;
  if (isChanged) await client.query('select store.note_rederived($1)', [siteId]);
  let changed = 0;
  for (const [index, table] of derivedTables.entries()) {
    if (table.uncompared !== 'all') changed += await replace(client, table, siteId, isChanged);
    onProgress?.('tables', index + 1, derivedTables.length);
  }
  if (changed > 0 || isChanged) {
    // Kept of states that may not have been: those that were kept on the way take their place.
    await client.query(
      `delete from store.checkpoints where site_id = ${siteId};
       insert into store.checkpoints select * from rebuild.checkpoints where site_id = ${siteId}`,
    );
  }
  if (isChanged) {
    await client.query(`select store.publish_changes('settings')`);
    await client.query(
      `update store.sites set (${settings.join(', ')}, triggers_from)
         = (select ${settings.map((column) => `again.${column}`).join(', ')}, now()
           from rebuild.sites as again where again.site_id = ${siteId})
       where sites.site_id = ${siteId}`,
    );
  }
  await client.query(
    `delete from store.rederivations where site_id = ${siteId};
     delete from store.rederivation_notes where site_id = ${siteId}`,
  );
  return changed;
}

async function pendingSettings(client: pg.Client, siteId: number): Promise<string[]> {
  const { rows } = await client.query<{ column: string }>(
    `select quote_ident(named.key) as column
     from store.rederivations cross join lateral jsonb_object_keys(rederivations.settings) as named (key)
     where rederivations.site_id = $1`,
    [siteId],
  );
  return rows.map(({ column }) => column);
}

async function replace(
  client: pg.Client,
  table: DerivedTable,
  siteId: number,
  isChanged: boolean,
): Promise<number> {
  const columns = await columnsOf(client, table);
  const others = columns.filter((column) => !table.key.includes(column));
  const uncompared: string[] = isChanged || table.uncompared === 'all' ? [] : table.uncompared;
  const compared = columns.filter((column) => !uncompared.includes(column));
  const list = (side: string) => compared.map((column) => `${side}.${column}`).join(', ');
  const same = table.key.map((column) => `recomputed.${column} = stored.${column}`).join(' and ');
  const { rowCount: gone } = await client.query(
    `delete from store.${table.name} as stored
      where stored.site_id = ${siteId}
        and not exists (select from rebuild.${table.name} as recomputed where ${same})`,
  );
  const { rowCount: told } = await client.query(
    `insert into store.${table.name} as stored (${columns.join(', ')})
      select ${columns.map((column) => `recomputed.${column}`).join(', ')}
      from rebuild.${table.name} as recomputed
      left join store.${table.name} as stored on ${same}
      where recomputed.site_id = ${siteId}
        and ((${list('stored')}) is distinct from (${list('recomputed')})${lateTimer(table, isChanged)})
      on conflict (${table.key.join(', ')}) do update
      set ${others.map((column) => `${column} = excluded.${column}`).join(', ')}`,
  );
  return (gone ?? 0) + (told ?? 0);
}

/** The next due instant may be too early, which costs a look, but never too late. */
function lateTimer({ name }: DerivedTable, isChanged: boolean): string {
  if (name !== 'persons' || isChanged) return '';
  return ` or (recomputed.next_due_at is not null
    and (stored.next_due_at > recomputed.next_due_at or stored.next_due_at is null))`;
}
