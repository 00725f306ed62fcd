import type pg from 'pg';
import { derivedTables } from './tables.ts';
import { columnsOf, fillTwins, type RebuildOptions, withTwins } from './twins.ts';

/** One row that differs between what is stored and what the inputs say. Null where a side has no such row. */
export type Difference = {
  table: string;
  key: Record<string, unknown>;
  stored: Record<string, unknown> | null;
  recomputed: Record<string, unknown> | null;
};

export type VerifyReport = {
  /** The instant each site was recomputed at, as ISO 8601. */
  asOf: Record<string, string>;
  /** Rows compared, by table. */
  rows: Record<string, number>;
  differences: Difference[];
};

const longestListOfDifferences = 1_000;

/**
 * Recomputes everything from the inputs, beside the live tables and at the instant they stand at, and tells every row
 * that differs (the first 1,000). Reads one snapshot, so it can run while traffic goes on; changes nothing.
 */
export async function verify(pool: pg.Pool, options: RebuildOptions = {}): Promise<VerifyReport> {
  return withTwins(pool, async (client) => {
    await client.query('begin isolation level repeatable read');
    try {
      await fillTwins(client, options);
      return await compare(client, options);
    } finally {
      await client.query('rollback');
    }
  });
}

async function compare(client: pg.Client, { onProgress }: RebuildOptions): Promise<VerifyReport> {
  await client.query(
    'set local enable_seqscan = on; set local enable_hashjoin = on; set local enable_mergejoin = on',
  );
  const differences: Difference[] = [];
  const rows: Record<string, number> = {};
  for (const [index, table] of derivedTables.entries()) {
    const { uncompared } = table;
    if (uncompared === 'all') continue;
    const columns = (await columnsOf(client, table)).filter((column) => !uncompared.includes(column));
    const list = (side: string) => columns.map((column) => `${side}.${column}`).join(', ');
    const json = (side: string, names: string[]) =>
      `jsonb_build_object(${names.map((name) => `'${name}', ${side}.${name}`).join(', ')})`;
    const first = table.key[0] ?? '';
    const { rows: found } = await client.query<Omit<Difference, 'table'>>(
      `select
        case when stored.${first} is null then ${json('recomputed', table.key)} else ${json('stored', table.key)} end as key,
        case when stored.${first} is not null then ${json('stored', columns)} end as stored,
        case when recomputed.${first} is not null then ${json('recomputed', columns)} end as recomputed
      from store.${table.name} as stored
      full join pg_temp.${table.name} as recomputed
        on ${table.key.map((column) => `recomputed.${column} = stored.${column}`).join(' and ')}
      where (${list('stored')}) is distinct from (${list('recomputed')})
      limit ${longestListOfDifferences - differences.length}`,
    );
    differences.push(...found.map((difference) => ({ table: table.name, ...difference })));
    const { rows: counted } = await client.query<{ count: string }>(
      `select count(*) from pg_temp.${table.name}`,
    );
    rows[table.name] = Number(counted[0]?.count ?? 0);
    onProgress?.('tables', index + 1, derivedTables.length);
    if (differences.length >= longestListOfDifferences) break;
  }
  const { rows: clocks } = await client.query<{ site_id: number; as_of: string }>(
    `select clocks.site_id, to_json(clocks.as_of) #>> '{}' as as_of from pg_temp.clocks order by clocks.site_id`,
  );
  return { asOf: Object.fromEntries(clocks.map((row) => [row.site_id, row.as_of])), rows, differences };
}
