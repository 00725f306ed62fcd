import type pg from 'pg';

/** How far an import got, kept in `store.imports` by the hash of the file and of how it is read. */
export type ImportRecord = {
  /** When the import of this file first began, in milliseconds. */
  startedAt: number;
  /** The number of the last line whose outcome is stored; 0 at the start. */
  linesDone: number;
  stored: number;
  duplicates: number;
  rejected: number;
};

type Count = 'lines_done' | 'stored' | 'duplicates' | 'rejected';

/** The record of an import that was interrupted; a new or a finished one begins at the first line. */
export async function openRecord(
  pool: pg.Pool,
  { siteId, hash, fileName }: { siteId: number; hash: Buffer; fileName: string },
): Promise<ImportRecord> {
  const { rows } = await pool.query<{ started_at: Date } & Record<Count, string>>(
    `insert into store.imports as imports (site_id, file_hash, file_name, started_at)
     values ($1, $2, $3, date_trunc('milliseconds', now()))
     on conflict (site_id, file_hash) do update
     set
       lines_done = case when imports.finished_at is null then imports.lines_done else 0 end,
       stored = case when imports.finished_at is null then imports.stored else 0 end,
       duplicates = case when imports.finished_at is null then imports.duplicates else 0 end,
       rejected = case when imports.finished_at is null then imports.rejected else 0 end,
       finished_at = null,
       updated_at = now()
     returning started_at, lines_done, stored, duplicates, rejected`,
    [siteId, hash, fileName],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the import was not recorded');
  return {
    startedAt: row.started_at.getTime(),
    linesDone: Number(row.lines_done),
    stored: Number(row.stored),
    duplicates: Number(row.duplicates),
    rejected: Number(row.rejected),
  };
}

/** Writes how far the import is, in the transaction that stores the lines themselves. */
export async function saveRecord(
  client: pg.ClientBase,
  {
    siteId,
    hash,
    record,
    isFinished,
  }: { siteId: number; hash: Buffer; record: ImportRecord; isFinished: boolean },
): Promise<void> {
  await client.query(
    `update store.imports
     set lines_done = $3, stored = $4, duplicates = $5, rejected = $6, updated_at = now(),
       finished_at = case when $7 then now() end
     where site_id = $1 and file_hash = $2`,
    [siteId, hash, record.linesDone, record.stored, record.duplicates, record.rejected, isFinished],
  );
}
