import type pg from 'pg';
import { derivedTables, type DerivedTable } from './tables.ts';
import { columnsOf, fillTwins, type RebuildOptions, withTwins } from './twins.ts';

/**
 * Derives everything again from the inputs and writes what differs, in one transaction: readers see the old answers
 * until it commits. New touchpoints are stored meanwhile and derived afterwards. Resolves to the number of rows changed.
 */
export async function rebuild(pool: pg.Pool, options: RebuildOptions = {}): Promise<number> {
  return withTwins(pool, async (client) => {
    await client.query('begin');
    try {
      await client.query(`select pg_advisory_xact_lock(hashtext('milepost.derive'))`);
      await fillTwins(client, options);
      let changed = 0;
      for (const [index, table] of derivedTables.entries()) {
        changed += await replace(client, table);
        options.onProgress?.('tables', index + 1, derivedTables.length);
      }
      await client.query('commit');
      return changed;
    } catch (error) {
      await client.query('rollback');
      throw error;
    }
  });
}

/** Makes a live table equal to its twin, touching only rows that differ. */
async function replace(client: pg.Client, table: DerivedTable): Promise<number> {
  await client.query('set local enable_seqscan = on; set local enable_hashjoin = on');
  const columns = await columnsOf(client, table);
  const same = table.key.map((column) => `recomputed.${column} = stored.${column}`).join(' and ');
  const others = columns.filter((column) => !table.key.includes(column));
  const { rowCount: gone } = await client.query(
    `delete from store.${table.name} as stored
      where not exists (select from pg_temp.${table.name} as recomputed where ${same})`,
  );
  const { rowCount: told } = await client.query(
    `insert into store.${table.name} as stored (${columns.join(', ')})
      select ${columns.map((column) => `recomputed.${column}`).join(', ')}
      from pg_temp.${table.name} as recomputed
      left join store.${table.name} as stored on ${same}
      where stored.* is distinct from recomputed.*
      on conflict (${table.key.join(', ')}) do update
      set ${others.map((column) => `${column} = excluded.${column}`).join(', ')}`,
  );
  return (gone ?? 0) + (told ?? 0);
}
