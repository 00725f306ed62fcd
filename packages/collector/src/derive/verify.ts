import type pg from 'pg';
import { type Choice, choosePersons, followChosen, identitiesOfChosen, widenChoice } from './choice.ts';
import { type DerivedTable, derivedTables } from './tables.ts';
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
  /** How many persons were looked at, where it was not everybody. */
  persons: number | null;
  /** Tables that were not compared, since their rows are about more persons than were looked at. */
  skipped: string[];
  differences: Difference[];
};

export type VerifyOptions = RebuildOptions & {
  /** Look at these persons alone, and at those without whom their rows cannot be told. Default: everybody. */
  only?: Choice;
};

const longestListOfDifferences = 1_000;

/**
 * Recomputes everything from the inputs, beside the live tables and at the instant they stand at, and tells every row
 * that differs (the first 1,000). Reads one snapshot, so it can run while traffic goes on; changes nothing.
 */
export async function verify(pool: pg.Pool, options: VerifyOptions = {}): Promise<VerifyReport> {
  return withTwins(pool, async (client) => {
    await client.query('begin isolation level repeatable read');
    try {
      if (options.only) await fillTwinsOfChosen(client, options, options.only);
      else await fillTwins(client, options);
      return await compare(client, options);
    } finally {
      await client.query('rollback');
    }
  });
}

async function fillTwinsOfChosen(client: pg.Client, options: RebuildOptions, only: Choice): Promise<void> {
  await client.query('set local enable_seqscan = on; set local enable_hashjoin = on');
  await choosePersons(client, only);
  // What is recomputed may show that somebody else belongs to it, who is then looked at too.
  for (;;) {
    await fillTwins(client, options, identitiesOfChosen);
    await client.query('set local enable_seqscan = on; set local enable_hashjoin = on');
    if ((await widenChoice(client)) === 0) break;
    await followChosen(client);
    await client.query(
      `truncate ${[...derivedTables, { name: 'clocks' }].map(({ name }) => `pg_temp.${name}`).join(', ')}`,
    );
    await client.query('drop table rebuild_identities, rebuild_persons');
  }
}

/** A table of a schema, restricted to the persons chosen. */
function chosenRows(schema: 'store' | 'pg_temp', { name, about }: DerivedTable): string {
  const isOfOrder = about === 'order';
  return `(
    select listed.*
    from ${schema}.${name} as listed
    ${isOfOrder ? `join ${schema}.orders on orders.site_id = listed.site_id and orders.order_id = listed.order_id` : ''}
    join chosen_persons
      on chosen_persons.site_id = listed.site_id
      and chosen_persons.person_id = ${isOfOrder ? 'orders' : 'listed'}.person_id
  )`;
}

async function compare(client: pg.Client, { onProgress, only }: VerifyOptions): Promise<VerifyReport> {
  await client.query(
    'set local enable_seqscan = on; set local enable_hashjoin = on; set local enable_mergejoin = on',
  );
  const differences: Difference[] = [];
  const rows: Record<string, number> = {};
  const skipped: string[] = [];
  for (const [index, table] of derivedTables.entries()) {
    const { uncompared } = table;
    if (uncompared === 'all') continue;
    if (only && table.about === 'many') {
      skipped.push(table.name);
      continue;
    }
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
      from ${only ? chosenRows('store', table) : `store.${table.name}`} as stored
      full join ${only ? chosenRows('pg_temp', table) : `pg_temp.${table.name}`} as recomputed
        on ${table.key.map((column) => `recomputed.${column} = stored.${column}`).join(' and ')}
      where (${list('stored')}) is distinct from (${list('recomputed')})
      limit ${longestListOfDifferences - differences.length}`,
    );
    differences.push(...found.map((difference) => ({ table: table.name, ...difference })));
    const { rows: counted } = await client.query<{ count: string }>(
      `select count(*) from ${only ? chosenRows('pg_temp', table) : `pg_temp.${table.name}`} as recomputed`,
    );
    rows[table.name] = Number(counted[0]?.count ?? 0);
    onProgress?.('tables', index + 1, derivedTables.length);
    if (differences.length >= longestListOfDifferences) break;
  }
  const { rows: clocks } = await client.query<{ site_id: number; as_of: string }>(
    `select clocks.site_id, to_json(clocks.as_of) #>> '{}' as as_of from pg_temp.clocks order by clocks.site_id`,
  );
  const { rows: chosen } = only
    ? await client.query<{ count: string }>('select count(*) from chosen_persons')
    : { rows: [] };
  return {
    asOf: Object.fromEntries(clocks.map((row) => [row.site_id, row.as_of])),
    rows,
    persons: chosen[0] ? Number(chosen[0].count) : null,
    skipped,
    differences,
  };
}
