import { createHash, hash } from 'node:crypto';
import { basename } from 'node:path';

import { type Touchpoint, judge } from '@milepost/shared';
import type pg from 'pg';

import type { Envelope } from '../buffer/buffer.ts';
import { Refusal } from '../refusal.ts';
import { type TouchpointRow, rowOf, sharedFactsOf } from '../write/row.ts';
import { type Batch, storeBatch } from './batch.ts';
import { LineIds } from './line-ids.ts';
import { type Format, type Line, linesOf, sizeOf, textsOf } from './lines.ts';
import { type Cells, type Mapping, columnsOf, mapper, mappingByNames } from './mapping.ts';
import { type ImportRecord, openRecord } from './progress-record.ts';
import { type Reject, RejectsFile } from './rejects.ts';
import { wallClockReader } from './time-zone.ts';

export type ImportOptions = {
  file: string;
  /** How messages and `store.imports` call it. Default: its path, and its name. */
  title?: string;
  siteId: number;
  format: Format;
  /** Between the cells of a CSV file. */
  delimiter: string;
  /** Null: columns are named like fields, or the file is NDJSON of touchpoints. */
  mapping: Mapping | null;
  /** The zone of times that name none. */
  timeZone: string;
  /** Where lines that were not stored are written. */
  rejectsFile: string;
  /** Stops between two commits; the same call goes on there. */
  signal?: AbortSignal;
  onProgress?: (progress: { step: 'reading' | 'storing'; bytes: number; ofBytes: number }) => void;
};

export type ImportSummary = {
  /** Lines that hold something, by what became of them. */
  stored: number;
  duplicates: number;
  rejected: number;
  /** Line after which an earlier run had stopped; 0 for a run from the start. */
  resumedAfterLine: number;
  isFinished: boolean;
};

const linesPerCommit = 5_000;
const shortLine = 16_384;

/**
 * Stores the touchpoints of a file, each line judged alone, in memory that does not grow with the file. A line
 * without an id gets one from what it says, so no line is ever stored twice. The file is read twice: first for its
 * hash, by which an interrupted import is found again, and for lines that occur more than once.
 */
export async function importFile(pool: pg.Pool, options: ImportOptions): Promise<ImportSummary> {
  const { file, siteId, onProgress } = options;
  const ofBytes = await sizeOf(file);
  const siteRules = await rulesOf(pool, siteId);
  const { ids, fileHash, columns } = await readThrough(options, ofBytes);
  const mapping = mappingFor(options, columns);
  const recordHash = hashOf(fileHash, { ...options, mapping });
  const record = await openRecord(pool, {
    siteId,
    hash: recordHash,
    fileName: options.title ?? basename(file),
  });
  const resumedAfterLine = record.linesDone;
  const rejects = new RejectsFile(options.rejectsFile, { isResumed: resumedAfterLine > 0 });

  const read = lineReader({ ids, mapping, columns, options, record, siteRules });
  let bytes = 0;
  let storing: Promise<void> = Promise.resolve();
  let batch: Batch = { rows: [], rejects: [], lastLine: 0 };
  let duplicatesBefore = resumedAfterLine > 0 ? -1 : record.duplicates; // a run that was stopped may have stored more
  let isStopped = false;

  /** One batch is on its way to PostgreSQL while the next one is read. */
  async function handOver(isFinished: boolean): Promise<void> {
    const full = batch;
    batch = { rows: [], rejects: [], lastLine: full.lastLine };
    await storing;
    // Where rows were stored already, more are likely to be.
    const way = record.duplicates > duplicatesBefore ? 'check' : 'copy';
    duplicatesBefore = record.duplicates;
    storing = storeBatch(pool, { siteId, recordHash, record, batch: full, isFinished, way }).then((refused) =>
      rejects.add(refused),
    );
    storing.catch(() => undefined); // awaited before the next batch, and at the end
    onProgress?.({ step: 'storing', bytes, ofBytes });
  }

  try {
    const source = { ...options, onBytes: (chunk: Uint8Array) => (bytes += chunk.length) };
    reading: for await (const lines of linesOf(source)) {
      for (const line of lines) {
        const outcome = read(line);
        if (line.number <= resumedAfterLine) continue;
        batch.lastLine = line.number;
        if (outcome.kind === 'row') batch.rows.push(outcome.row);
        else batch.rejects.push(outcome.reject);
        if (batch.rows.length + batch.rejects.length < linesPerCommit) continue;
        await handOver(false);
        if (options.signal?.aborted) {
          isStopped = true;
          break reading;
        }
      }
    }
    if (!isStopped) await handOver(true);
    await storing;
  } finally {
    await rejects.close();
  }
  const { stored, duplicates, rejected } = record;
  return { stored, duplicates, rejected, resumedAfterLine, isFinished: !isStopped };
}

/** What lines of an import are judged by, beside themselves. */
type SiteRules = {
  consentRequired: boolean;
  retainedFrom: number;
  worthlessIds: readonly string[] | undefined;
};

async function rulesOf(pool: pg.Pool, siteId: number): Promise<SiteRules> {
  const { rows } = await pool.query<{
    consent_required: boolean;
    retained_from: string;
    worthless_ids: string[];
  }>(
    `select consent_required, worthless_ids, extract(epoch from retained_from) * 1000 as retained_from
     from store.sites where site_id = $1`,
    [siteId],
  );
  const [site] = rows;
  if (site === undefined) throw new Refusal(`there is no site ${siteId}; milepost site list shows them.`);
  return {
    consentRequired: site.consent_required,
    retainedFrom: Number(site.retained_from),
    worthlessIds: site.worthless_ids.length > 0 ? site.worthless_ids : undefined,
  };
}

/** The first pass: the hash of the file, its columns, and which lines may occur more than once. */
async function readThrough(options: ImportOptions, ofBytes: number) {
  const fileHash = createHash('sha256');
  // Packed files unpack to about ten times their size, and few lines are shorter than fifty bytes.
  const bytesPerLine = options.file.toLowerCase().endsWith('.gz') ? 5 : 50;
  const ids = new LineIds(ofBytes / bytesPerLine);
  let bytes = 0;
  let columns: string[] = [];
  const onColumns = (names: string[]) => (columns = names);
  const onBytes = (chunk: Uint8Array) => {
    fileHash.update(chunk);
    bytes += chunk.length;
  };
  for await (const texts of textsOf({ ...options, onBytes, onColumns })) {
    for (const text of texts) ids.note(text);
    options.onProgress?.({ step: 'reading', bytes, ofBytes });
    options.signal?.throwIfAborted();
  }
  return { ids, fileHash: fileHash.digest(), columns };
}

/** The mapping to read the file by; null for NDJSON that holds touchpoints already. */
function mappingFor(
  { mapping, format, file, title = file }: ImportOptions,
  columns: readonly string[],
): Mapping | null {
  if (format === 'ndjson') return mapping;
  if (mapping === null) return mappingByNames(columns);
  const missing = columnsOf(mapping).filter((column) => !columns.includes(column));
  if (missing.length > 0 && columns.length > 0) {
    throw new Refusal(`${title} has no column ${missing.join(', ')}; it has ${columns.join(', ')}.`);
  }
  return mapping;
}

function hashOf(fileHash: Buffer, { mapping, format, delimiter, timeZone }: ImportOptions): Buffer {
  const fields = mapping === null ? null : [...mapping.fields];
  const way = JSON.stringify({ fields, format, delimiter, timeZone });
  return hash('sha256', Buffer.concat([fileHash, Buffer.from(way)]), 'buffer');
}

type Outcome = { kind: 'row'; row: TouchpointRow } | { kind: 'reject'; reject: Reject };

/** Makes the function that turns a line into a row or a reject. It must see every line, for it counts repeats. */
function lineReader({
  ids,
  mapping,
  columns,
  options,
  record,
  siteRules,
}: {
  ids: LineIds;
  mapping: Mapping | null;
  columns: readonly string[];
  options: ImportOptions;
  record: ImportRecord;
  siteRules: SiteRules;
}): (line: Line) => Outcome {
  const isCsv = options.format === 'csv';
  const toTouchpoint = mapping === null ? null : mapper(mapping, isCsv ? columns : null);
  const readTime = wallClockReader(options.timeZone);
  // The instant the import of this file first began: every later run makes the same rows and rejects.
  const receivedAt = record.startedAt;
  const { worthlessIds } = siteRules;
  const envelope: Envelope = {
    siteId: options.siteId,
    receivedAt,
    isTrusted: true,
    ingestedBy: 'import',
    ...(worthlessIds !== undefined && { worthlessIds }),
  };
  const shared = sharedFactsOf({}, envelope);
  const rules = {
    isTrusted: true,
    receivedAt,
    sentAt: null,
    oldestLive: null,
    ...siteRules,
  };

  const shortRules = { ...rules, bodyBytes: shortLine };
  const namedCells = (cells: Cells) =>
    isCsv
      ? Object.fromEntries(columns.map((column, place) => [column, (cells as readonly string[])[place]]))
      : cells;

  return (line) => {
    const reject = (reason: Reject['reason'], detail: string): Outcome => {
      const event = line.kind === 'cells' ? JSON.stringify(namedCells(line.cells)) : line.text;
      return { kind: 'reject', reject: { line: line.number, reason, detail, event } };
    };
    if (line.kind === 'unreadable') return reject(line.reason, line.detail);
    const event: Record<string, unknown> =
      toTouchpoint === null ? (line.cells as Record<string, unknown>) : toTouchpoint(line.cells);
    const name = typeof event['name'] === 'string' ? event['name'] : '';
    const { id } = event;
    if (id === undefined || id === null || id === '') event['id'] = ids.idOf(line.text, name);
    event['occurred_at'] = readTime(event['occurred_at']);
    event['sequence'] ??= line.number;
    // A line this short cannot make a touchpoint too large: then its size is not measured.
    const verdict = judge(event, line.text.length < shortLine ? shortRules : rules);
    if (!verdict.ok) return reject(verdict.reason, verdict.detail);
    try {
      return { kind: 'row', row: rowOf(event as Touchpoint, envelope, shared) };
    } catch (error) {
      return reject('unstorable', error instanceof Error ? error.message : String(error));
    }
  };
}
