import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import { pendingIn, runnerLock } from '../database/migrate.ts';
import { contentsOf } from './contents.ts';
import {
  type BackedUpTable,
  formatVersion,
  type Manifest,
  manifestName,
  pieceName,
  rowsName,
} from './format.ts';
import { prepareCopying } from './session.ts';
import { untilStored } from './unwritten.ts';
import { ArchiveWriter } from './writing.ts';

export type BackupOptions = {
  file: string;
  /** How long collectors may take to store what they have acked (default 60 s). */
  waitMs?: number;
  onProgress?: (rows: number, about: number) => void;
};

export type BackedUp = { bytes: number; rows: Record<string, number>; manifest: Manifest };

const pieceBytes = 8 * 1024 * 1024;

/** Writes everything a Milepost needs to be whole again into one file, as one snapshot has it, while traffic goes on. */
export async function backup(pool: pg.Pool, options: BackupOptions): Promise<BackedUp> {
  await pendingIn(pool); // refuses the data of a newer Milepost
  const archive = await ArchiveWriter.create(options.file);
  const client = await pool.connect().catch(async (error: unknown) => {
    await archive.abort();
    throw error;
  });
  let failure: Error | undefined;
  try {
    const stored = await untilStored(client, options.waitMs ?? 60_000);
    const contents = await beginSnapshot(client);
    const { rows: versions } = await client.query<{ version: string }>(
      `select current_setting('server_version') as version`,
    );
    const manifest: Manifest = {
      format: 'milepost backup',
      version: formatVersion,
      createdAt: new Date().toISOString(),
      postgres: versions[0]!.version,
      ...stored,
      migrations: contents.migrations,
      tables: contents.tables,
      sequences: contents.sequences,
      readers: contents.readers,
    };
    await archive.add(manifestName, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
    const rows: Record<string, number> = {};
    let done = 0;
    for (const table of contents.tables) {
      rows[table.name] = await copyOut(client, table, archive, (count) => {
        done += count;
        options.onProgress?.(done, contents.rows);
      });
    }
    await client.query('commit');
    await archive.add(rowsName, Buffer.from(`${JSON.stringify(rows, null, 2)}\n`));
    return { bytes: await archive.finish(), rows, manifest };
  } catch (error) {
    failure = error as Error;
    await archive.abort();
    throw error;
  } finally {
    client.release(failure);
  }
}

/** Begins the transaction whose snapshot is backed up. No migration, and nobody who makes partitions, may stand in between. */
async function beginSnapshot(client: pg.PoolClient): ReturnType<typeof contentsOf> {
  const { rows } = await client.query<{ is_standby: boolean }>('select pg_is_in_recovery() as is_standby');
  // A partition is made under a lock that waits for this snapshot's end: those of the coming days are made before.
  if (!rows[0]?.is_standby) await client.query(`select store.make_partitions(now() + interval '3 days')`);
  const partitions = `hashtext('milepost.partitions')`;
  await client.query(`select pg_advisory_lock(${runnerLock}), pg_advisory_lock(${partitions})`);
  await client.query('begin isolation level repeatable read read only');
  await prepareCopying(client);
  const contents = await contentsOf(client);
  await client.query(`select pg_advisory_unlock(${runnerLock}), pg_advisory_unlock(${partitions})`);
  return contents;
}

/** Adds the rows of a table; answers how many. */
async function copyOut(
  client: pg.PoolClient,
  { name, columns }: BackedUpTable,
  archive: ArchiveWriter,
  onRows: (count: number) => void,
): Promise<number> {
  const list = columns.map((column) => `"${column}"`).join(', ');
  let rowCount = 0;
  async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      const count = rowsEndingIn(chunk);
      rowCount += count;
      onRows(count);
      yield chunk;
    }
  }
  await pipeline(
    client.query(copyTo(`copy store.${name} (${list}) to stdout`)),
    counted,
    createZstdCompress(),
    async (compressed: AsyncIterable<Buffer>) => {
      let number = 0;
      for await (const piece of inPieces(compressed))
        await archive.add(pieceName(name, (number += 1)), piece);
    },
  );
  return rowCount;
}

async function* inPieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    waiting.push(chunk);
    size += chunk.length;
    if (size < pieceBytes) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(waiting);
}

/** Rows of COPY text end with a line feed, and hold none. */
function rowsEndingIn(chunk: Buffer): number {
  let count = 0;
  for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) count += 1;
  return count;
}
