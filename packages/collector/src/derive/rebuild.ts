import type pg from 'pg';
import { openSession } from './session.ts';
import { derivedTables, type DerivedTable } from './tables.ts';

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

export type RebuildOptions = {
  /** Called as work goes on: a phase, how much of it is done, and how much there is. */
  onProgress?: (phase: 'identities' | 'persons' | 'tables', done: number, total: number) => void;
};

const identitiesPerStep = 2_000;
const personsPerStep = 1_000;
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

/** A connection on which derived tables are temporary twins, so the definitions fill those instead of the live ones. */
async function withTwins<Result>(
  pool: pg.Pool,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = await openSession(pool, 'pg_temp, store');
  try {
    for (const { name } of [...derivedTables, { name: 'clocks' }]) {
      await client.query(`create temporary table ${name} (like store.${name} including all)`);
    }
    return await work(client);
  } finally {
    await client.end(); // twins and settings end with it
  }
}

async function fillTwins(client: pg.Client, { onProgress }: RebuildOptions): Promise<void> {
  await client.query('insert into pg_temp.clocks select clocks.* from store.clocks');
  await client.query('set local enable_seqscan = on; set local enable_hashjoin = on');
  await client.query(`
    create temporary table rebuild_identities as
    select known.site_id, known.identity_id, row_number() over () as position
    from (
      select distinct touchpoints.site_id, touchpoints.identity_id
      from store.touchpoints
      where touchpoints.bot_reason is null and touchpoints.internal_reason is null
        and (touchpoints.site_id, touchpoints.batch_id) not in (select batches.site_id, batches.batch_id from store.batches)
    ) as known`);
  await client.query('set local enable_seqscan = off; set local enable_hashjoin = off');
  await inSteps(client, 'rebuild_identities', 'identity_id', identitiesPerStep, (done, total) =>
    onProgress?.('identities', done, total),
  );

  await client.query('set local enable_seqscan = on');
  await client.query(`
    create temporary table rebuild_persons as
    select known.site_id, known.person_id, row_number() over (order by known.site_id, known.person_id) as position
    from (select distinct identities.site_id, identities.person_id from pg_temp.identities) as known`);
  await client.query('set local enable_seqscan = off');
  await inSteps(client, 'rebuild_persons', 'person_id', personsPerStep, (done, total) =>
    onProgress?.('persons', done, total),
  );
}

/** Calls the function named like the list over its ids, step by step. */
async function inSteps(
  client: pg.Client,
  list: 'rebuild_identities' | 'rebuild_persons',
  idColumn: string,
  step: number,
  onStep: (done: number, total: number) => void,
): Promise<void> {
  await client.query(`alter table ${list} add primary key (position)`);
  const { rows } = await client.query<{ total: string }>(`select count(*) as total from ${list}`);
  const total = Number(rows[0]?.total ?? 0);
  let stepCount = 0;
  for (let from = 1; from <= total; from += step) {
    await client.query({
      name: list,
      text: `select store.${list}(array_agg(listed.site_id), array_agg(listed.${idColumn}))
        from ${list} as listed where listed.position between $1 and $2`,
      values: [from, from + step - 1],
    });
    await client.query('select store.truncate_work_tables()');
    stepCount += 1;
    if ((stepCount & (stepCount - 1)) === 0) {
      await client.query('select store.analyze_young_tables(is_forced => true)');
      await client.query('discard plans');
    }
    onStep(Math.min(from + step - 1, total), total);
  }
}

async function columnsOf(client: pg.Client, { name }: DerivedTable): Promise<string[]> {
  const { rows } = await client.query<{ attname: string }>(
    `select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum`,
    [`store.${name}`],
  );
  return rows.map((row) => row.attname);
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
