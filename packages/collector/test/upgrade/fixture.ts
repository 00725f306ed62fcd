import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import type pg from 'pg';
import { fillTables } from '../../src/backup/filling.ts';
import { checkFile } from '../../src/backup/reading.ts';
import { prepareCopying } from '../../src/backup/session.ts';
import { migrate } from '../../src/database/migrate.ts';

/** What the clients of an older version had, and were answered: ids of touchpoints that were accepted. */
export type Said = { writeKey: string; secretKey: string; stored: string[]; buffered: string[] };

/** Data of an older version, as its own program left it. */
export type OldData = Said & {
  /** A backup of its rows. */
  rows: string;
  /** The folder of its buffer. */
  buffer: string;
  /** Its migrations, definitions, models and views. */
  migrations: string;
  remove: () => void;
};

/** Unpacks a fixture into folders of its own. */
export function oldData(name: string): OldData {
  const from = join(import.meta.dirname, 'fixtures', name);
  const folder = mkdtempSync(join(tmpdir(), 'milepost-upgrade-'));
  const buffer = join(folder, 'buffer');
  const migrations = join(folder, 'migrations');
  mkdirSync(buffer);
  writeFileSync(join(buffer, 'data.mdb'), zstdDecompressSync(readFileSync(join(from, 'buffer.mdb.zst'))));
  const texts = JSON.parse(
    zstdDecompressSync(readFileSync(join(from, 'migrations.json.zst'))).toString(),
  ) as Record<string, string>;
  for (const [file, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(migrations, file)), { recursive: true });
    writeFileSync(join(migrations, file), text);
  }
  return {
    ...(JSON.parse(readFileSync(join(from, 'said.json'), 'utf8')) as Said),
    rows: join(from, 'rows.tar'),
    buffer,
    migrations,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Makes an empty database what the older version left: its tables, functions and views, and its rows. */
export async function asItWas(pool: pg.Pool, { migrations, rows: file }: OldData): Promise<void> {
  await migrate(pool, { folder: migrations });
  const checked = await checkFile(file);
  const client = await pool.connect();
  await client.query('begin');
  await prepareCopying(client);
  await fillTables(client, { file, checked });
  await client.query('commit');
  client.release();
}
