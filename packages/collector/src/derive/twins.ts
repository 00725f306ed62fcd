import type pg from 'pg';
import { openSession } from './session.ts';
import { derivedTables, type DerivedTable } from './tables.ts';

export type RebuildOptions = {
  /** Called as work goes on: a phase, how much of it is done, and how much there is. */
  onProgress?: (phase: 'identities' | 'persons' | 'tables', done: number, total: number) => void;
};

const identitiesPerStep = 2_000;
const personsPerStep = 1_000;

/** A connection on which derived tables are temporary twins, so the definitions fill those instead of the live ones. */
export async function withTwins<Result>(
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

const everyIdentity = `
  select distinct touchpoints.site_id, touchpoints.identity_id
  from store.touchpoints
  where touchpoints.bot_reason is null and touchpoints.internal_reason is null
    and (touchpoints.site_id, touchpoints.batch_id) not in (select batches.site_id, batches.batch_id from store.batches)
  union
  select identity_sightings.site_id, identity_sightings.identity_id from pg_temp.identity_sightings`;

/** Fills the twins from the inputs: of everybody, or of the identities that a query lists by site_id and identity_id. */
export async function fillTwins(
  client: pg.Client,
  { onProgress }: RebuildOptions,
  identities = everyIdentity,
): Promise<void> {
  await client.query('insert into pg_temp.clocks select clocks.* from store.clocks');
  await client.query('select store.add_retained_sums(sites.site_id) from store.sites');
  await client.query('select store.rebuild_links(array(select sites.site_id from store.sites))');
  await client.query('select store.truncate_work_tables()');
  await client.query('set local enable_seqscan = on; set local enable_hashjoin = on');
  await client.query(`
    create temporary table rebuild_identities as
    select known.site_id, known.identity_id, row_number() over () as position
    from (${identities}) as known`);
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

export async function columnsOf(client: pg.Client, { name }: DerivedTable): Promise<string[]> {
  const { rows } = await client.query<{ attname: string }>(
    `select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum`,
    [`store.${name}`],
  );
  return rows.map((row) => row.attname);
}
