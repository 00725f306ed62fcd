import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Deriver } from '@milepost/collector/derive/derive';
import { benchProfile } from '@milepost/collector/simulate/bench';
import type pg from 'pg';

import { fill, refuseWithoutRoom } from './lookup.ts';
import { say } from './report.ts';
import { type Stand, openStandIn } from './stand.ts';

// A touchpoint with all that is derived from it, its indexes, and what sorting and the log take while they are made.
const bytesPerTouchpoint = 2_200;

/** At most so many of a site's own: what tells copies apart are rotated digits of ids. */
const mostWithinSite = 10;

/** What is safe to lose while a fixture is made: after a crash it is made again. */
const hasty = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '2GB',
  maintenance_work_mem: '1GB',
};

/** Tables whose rows mean nothing in another site: keys are unique of all sites, queues are empty. */
const uncopied = ['keys', 'identity_secrets', 'batches', 'collectors', 'rederivation_notes'];

/** Texts that are ids. What has none, and no uuid, in its key counts what other tables hold. */
const textIds = [
  'order_id',
  'cart_id',
  'refund_id',
  'user_id',
  'anonymous_id',
  'visitor_id',
  'account_id',
  'value',
  'subject_id',
];

/** Tables with a key that is neither an id nor a count: of a site, not of its persons. */
const ofSite = ['sites', 'clocks', 'feeds', 'changes', 'counters', 'channel_rules', 'rates'];

type Column = { name: string; type: string; isKey: boolean };
type Table = { name: string; columns: Column[] };

/**
 * A database with so many touchpoints and everything derived from them, kept in a folder for the next time. `base` of
 * them are derived; the others are copies, raw and derived rows alike, within the same sites under other ids and in
 * further sites. Every copy of a row follows it, so what belongs together lies as far apart as in a database of that size.
 */
export async function openFixture(touchpoints: number, base: number): Promise<Stand> {
  const folder = join(tmpdir(), `milepost-at-size-${touchpoints}-${base}`);
  const done = join(folder, 'fixture.json');
  if (!existsSync(done)) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o700 });
    await refuseWithoutRoom(folder, touchpoints * bytesPerTouchpoint + 5e9);
    await make(folder, touchpoints, base);
    writeFileSync(done, JSON.stringify({ touchpoints, base }));
  }
  say(`a fixture of ${touchpoints} touchpoints is in ${folder}`);
  return openStandIn(folder, { isKept: true });
}

async function make(folder: string, touchpoints: number, base: number): Promise<void> {
  const copies = Math.max(1, Math.round(touchpoints / base));
  const within = largestDivisor(copies, mostWithinSite);
  await startFromBase(folder, base);
  const stand = await openStandIn(folder, { isKept: true, settings: hasty });
  try {
    say(`${touchpoints} touchpoints: ${within} copies within each site, ${copies / within} of each site`);
    const indexes = await dropIndexes(stand.pool);
    for (const table of await tablesOf(stand.pool)) {
      await copyWithinSites(stand.pool, table, within);
      await copySites(stand.pool, table, copies / within);
    }
    say('indexes');
    for (const definition of indexes) await stand.pool.query(definition);
    say('vacuum');
    await stand.pool.query('vacuum (analyze, freeze)');
    await stand.pool.query('checkpoint');
  } finally {
    await stand.close();
  }
}

/** What every fixture begins with is derived once, and kept too. */
async function startFromBase(folder: string, base: number): Promise<void> {
  const baseFolder = join(tmpdir(), `milepost-at-size-base-${base}`);
  const done = join(baseFolder, 'done');
  if (!existsSync(done)) {
    rmSync(baseFolder, { recursive: true, force: true });
    mkdirSync(baseFolder, { mode: 0o700 });
    const stand = await openStandIn(baseFolder, { isKept: true, settings: hasty });
    try {
      await fill(stand, base);
      const deriver = await Deriver.open(stand.pool);
      await deriver.advanceClocks();
      await deriver.close();
    } finally {
      await stand.close();
    }
    writeFileSync(done, '');
  }
  execFileSync('cp', ['-a', `${baseFolder}/.`, folder]);
}

function largestDivisor(number: number, most: number): number {
  let divisor = Math.min(number, most);
  while (number % divisor !== 0) divisor -= 1;
  return divisor;
}

/** Every table of the schema that has sites; a partitioned one as a whole. */
async function tablesOf(pool: pg.Pool): Promise<Table[]> {
  const { rows } = await pool.query<{ name: string; columns: Column[] }>(
    `select pg_class.relname as name,
      json_agg(json_build_object('name', attname, 'type', format_type(atttypid, atttypmod),
        'isKey', attnum = any (conkey)) order by attnum) as columns
    from pg_class
    join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = ''
    join pg_constraint on conrelid = pg_class.oid and contype = 'p'
    where relnamespace = 'store'::regnamespace and relkind in ('r', 'p') and not relispartition
      and not relname = any ($1)
    group by pg_class.oid, relname
    having bool_or(attname = 'site_id')
    order by relname`,
    [uncopied],
  );
  return rows;
}

async function copyWithinSites(pool: pg.Pool, { name, columns }: Table, copies: number): Promise<void> {
  if (copies === 1 || ofSite.includes(name)) return;
  const isTextId = ({ name: column, type }: Column) => type === 'text' && textIds.includes(column);
  const isId = (column: Column) => column.type === 'uuid' || isTextId(column);
  if (!columns.some((column) => column.isKey && isId(column))) {
    const counts = columns.filter(({ isKey, type }) => !isKey && (type === 'bigint' || type === 'numeric'));
    const list = counts.map(({ name: column }) => `${column} = ${column} * ${copies}`);
    if (list.length > 0) await pool.query(`update store.${name} set ${list.join(', ')}`);
    return;
  }
  const values = columns.map((each) => {
    const column = each.name;
    if (each.type === 'uuid') {
      return `(left(${column}::text, 24) || translate(right(${column}::text, 12), '0123456789abcdef',
        substr('0123456789abcdef0123456789abcdef', copy + 1, 16)))::uuid`;
    }
    return isTextId(each) ? `${column} || '~' || copy` : column;
  });
  await insertCopies(pool, { name, columns }, values, copies);
}

async function copySites(pool: pg.Pool, table: Table, copies: number): Promise<void> {
  if (copies === 1) return;
  const values = table.columns.map(({ name }) =>
    name === 'site_id' ? `site_id + ${benchProfile.sites} * copy` : name,
  );
  await insertCopies(pool, table, values, copies);
}

async function insertCopies(
  pool: pg.Pool,
  { name, columns }: Table,
  values: string[],
  copies: number,
): Promise<void> {
  const startedAt = performance.now();
  const list = columns.map((column) => column.name).join(', ');
  const { rowCount } = await pool.query(
    `insert into store.${name} (${list})
    select ${values.join(', ')}
    from store.${name}
    cross join generate_series(1, ${copies - 1}) as copy`,
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  if (seconds > 2) say(`${name}: ${rowCount} rows in ${Math.round(seconds)} s`);
}

/** Drops what no key needs, since making an index at once is much faster; gives the definitions to make them again. */
async function dropIndexes(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ name: string; definition: string }>(
    `select indexes.oid::regclass::text as name, pg_get_indexdef(indexes.oid) as definition
    from pg_index
    join pg_class as indexes on indexes.oid = pg_index.indexrelid
    where indexes.relnamespace = 'store'::regnamespace and not pg_index.indisunique and not indexes.relispartition`,
  );
  for (const { name } of rows) await pool.query(`drop index ${name}`);
  return rows.map(({ definition }) => definition.replace(' ON ONLY ', ' ON '));
}
