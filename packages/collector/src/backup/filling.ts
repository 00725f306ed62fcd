import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { Refusal } from '../refusal.ts';
import { type BackedUpTable, tableOf } from './format.ts';
import { type Checked, entriesOf } from './reading.ts';

export type FillOptions = {
  file: string;
  checked: Checked;
  onProgress?: (phase: 'restored', done: number, total: number) => void;
};

/** Gives tables that are there the rows, and sequences the numbers, of a backup. Within the transaction at hand. */
export async function fillTables(
  client: pg.PoolClient,
  { file, checked: { manifest, rows }, onProgress }: FillOptions,
): Promise<void> {
  for (const { name, partition } of manifest.tables) {
    if (partition) await makePartition(client, name, partition);
  }
  // Rows that migrations made are in the backup as well, as they were.
  await client.query(`truncate ${manifest.tables.map(({ name }) => `store.${name}`).join(', ')}`);
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
  let done = 0;
  for await (const { table, pieces } of tablesIn(file)) {
    const target = manifest.tables.find(({ name }) => name === table);
    const count = target && (await copyIn(client, target, pieces));
    if (count === undefined || count !== rows[table])
      throw new Refusal(
        `${file} is damaged: store.${table} has ${count ?? 'no'} rows where it had ${rows[table] ?? 'none'}. Nothing was restored.`,
      );
    done += count;
    onProgress?.('restored', done, total);
  }
  for (const { name, lastValue } of manifest.sequences)
    await client.query('select setval($1::regclass, $2::bigint)', [`store.${name}`, lastValue]);
}

async function makePartition(
  client: pg.PoolClient,
  name: string,
  { of, bound }: NonNullable<BackedUpTable['partition']>,
): Promise<void> {
  const { rows } = await client.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [
    `store.${name}`,
  ]);
  if (rows[0]?.exists) return; // the default partition comes with its table
  if (
    !/^[a-z_]+$/.test(of) ||
    !/^(DEFAULT|FOR VALUES FROM \('[-0-9a-f]+'\) TO \('[-0-9a-f]+'\))$/.test(bound)
  )
    throw new Refusal(`the backup names a partition that no Milepost makes (${name} ${bound}).`);
  await client.query(`create table store.${name} partition of store.${of} ${bound}`);
}

/** The tables of a backup with the pieces of each, which are to be read before the next table is asked for. */
async function* tablesIn(file: string): AsyncGenerator<{ table: string; pieces: AsyncIterable<Buffer> }> {
  const entries = entriesOf(file);
  try {
    let entry = await entries.next();
    while (!entry.done) {
      const table = tableOf(entry.value.name);
      if (table === undefined) {
        for await (const _ of entry.value.content); // the others are known already
        entry = await entries.next();
        continue;
      }
      async function* pieces(): AsyncGenerator<Buffer> {
        while (!entry.done && tableOf(entry.value.name) === table) {
          yield* entry.value.content;
          entry = await entries.next();
        }
      }
      yield { table, pieces: pieces() };
    }
  } finally {
    await entries.return(undefined);
  }
}

/** Fills a table; answers how many rows it has. */
async function copyIn(
  client: pg.PoolClient,
  { name, columns }: BackedUpTable,
  pieces: AsyncIterable<Buffer>,
): Promise<number> {
  const list = columns.map((column) => `"${column}"`).join(', ');
  const copying = client.query(copyFrom(`copy store.${name} (${list}) from stdin with (freeze)`));
  await pipeline(pieces, createZstdDecompress(), copying);
  return copying.rowCount;
}
