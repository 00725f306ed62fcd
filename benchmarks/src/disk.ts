import { Deriver } from '@milepost/collector/derive/derive';
import pg from 'pg';

import { copyChunks, copyInto, makeTwin } from './copy.ts';
import { startOf } from './load.ts';
import { type Report, say } from './report.ts';
import type { Stand } from './stand.ts';
import { piecesOf, storeTogether } from './traffic.ts';

const touchpointsAtOnce = 4_000;

/**
 * What a touchpoint takes on disk, with everything that is derived from it and all indexes, after a vacuum; beside it
 * the bare table of the same rows with its keys. What is written to the log meanwhile is told apart.
 */
export async function disk(
  stand: Stand,
  report: Report,
  { touchpoints }: { touchpoints: number },
): Promise<void> {
  const options = { seed: 71, touchpoints, startMs: startOf(touchpoints) };
  say(`disk: ${touchpoints} touchpoints into the bare twin`);
  const twin = await bareBytes(stand, options);

  say('disk: storing and deriving them');
  const lsn = async () =>
    (await stand.pool.query<{ lsn: string }>('select pg_current_wal_lsn() as lsn')).rows[0]?.lsn;
  const before = await lsn();
  const deriver = await Deriver.open(stand.pool);
  try {
    for (const rows of piecesOf(stand.sites, options, touchpointsAtOnce)) {
      await storeTogether(stand.pool, rows);
      while ((await deriver.deriveBatches()) > 0);
    }
    await deriver.advanceClocks();
  } finally {
    await deriver.close();
  }
  const { rows: logged } = await stand.pool.query<{ bytes: string }>(
    'select pg_wal_lsn_diff(pg_current_wal_lsn(), $1) as bytes',
    [before],
  );
  await stand.pool.query('vacuum analyze');
  const sizes = await sizesOf(stand.pool, 'store');
  const bytes = sizes.reduce((sum, size) => sum + size.bytes, 0);
  report.add({
    name: 'disk_per_touchpoint',
    figure: bytes / touchpoints,
    unit: 'bytes',
    limit: { what: 'the bare table with its keys', figure: twin / touchpoints },
    ratio: bytes / twin,
    bar: { at_most: 2 },
    details: {
      touchpoints,
      wal_bytes_per_touchpoint: Number(logged[0]?.bytes) / touchpoints,
      bytes_per_touchpoint: Object.fromEntries(
        sizes.slice(0, 40).map(({ name, bytes: size }) => [name, Math.round((size / touchpoints) * 10) / 10]),
      ),
    },
  });
}

async function bareBytes(stand: Stand, options: Parameters<typeof copyChunks>[1]): Promise<number> {
  const client = new pg.Client({ connectionString: stand.url });
  await client.connect();
  try {
    await makeTwin(client);
    await copyInto(client, 'twin.touchpoints', copyChunks(stand, options));
    await client.query('vacuum analyze');
    const sizes = await sizesOf(client, 'twin');
    await client.query('drop schema twin cascade');
    return sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  } finally {
    await client.end();
  }
}

/** Every table and index of a schema, the partitions of one table together, the largest first. */
export async function sizesOf(
  client: pg.Pool | pg.Client,
  schema: string,
): Promise<{ name: string; bytes: number }[]> {
  const { rows } = await client.query<{ name: string; bytes: string }>(
    `select coalesce(parents.relname, pg_class.relname) as name,
      sum(pg_table_size(pg_class.oid)) as bytes
    from pg_class
    left join pg_inherits on pg_inherits.inhrelid = pg_class.oid
    left join pg_class as parents on parents.oid = pg_inherits.inhparent
    where pg_class.relnamespace = $1::regnamespace and pg_class.relkind in ('r', 'i')
    group by 1
    order by 2 desc, 1`,
    [schema],
  );
  return rows.map(({ name, bytes }) => ({ name, bytes: Number(bytes) }));
}
