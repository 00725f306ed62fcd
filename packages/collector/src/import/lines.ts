import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

import { type CsvError, parse } from 'csv-parse';

import { Refusal } from '../refusal.ts';
import type { Cells } from './mapping.ts';

/** One line of the file that holds something. `text` stands for the whole line in ids and rejects. */
export type Line =
  | { kind: 'cells'; number: number; text: string; cells: Cells }
  | { kind: 'unreadable'; number: number; text: string; reason: 'invalid' | 'too_large'; detail: string };

export type Format = 'ndjson' | 'csv';

/** What to read. */
export type Source = {
  file: string;
  format: Format;
  delimiter: string;
  /** Every piece as it lies on disk (still packed where the file is). */
  onBytes: (chunk: Uint8Array) => void;
  /** Called with the columns of a CSV file, before its first line. */
  onColumns?: (columns: string[]) => void;
};

// A touchpoint may have 128 KiB; a line far beyond is skipped without being held in memory.
const longestLine = 1024 * 1024;

/** The format by the file's name: `.csv`, `.tsv`, else NDJSON; `.gz` may follow. */
export function formatOf(file: string): Format {
  return /\.(csv|tsv)(\.gz)?$/i.test(file) ? 'csv' : 'ndjson';
}

export async function sizeOf(file: string): Promise<number> {
  try {
    const { size } = await stat(file);
    return size;
  } catch (cause) {
    throw new Refusal(`${file} cannot be read.`, { cause });
  }
}

/** The lines of a file, one at a time, in memory that does not grow with it. */
export function linesOf(source: Source): AsyncGenerator<Line> {
  return source.format === 'csv' ? csvLines(source) : ndjsonLines(source);
}

function open({ file, onBytes }: Source): Readable {
  const raw = createReadStream(file, { highWaterMark: 256 * 1024 });
  raw.on('data', (chunk) => onBytes(chunk as Buffer));
  if (!file.toLowerCase().endsWith('.gz')) return raw;
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  raw.on('error', (error) => gunzip.destroy(error));
  return raw.pipe(gunzip);
}

async function* ndjsonLines(source: Source): AsyncGenerator<Line> {
  let number = 0;
  for await (const text of textLines(open(source))) {
    number += 1;
    if (text === null) {
      yield { kind: 'unreadable', number, text: '', reason: 'too_large', detail: ': longer than 1 MiB' };
      continue;
    }
    const trimmed = text.trim();
    if (trimmed === '') continue;
    let json: unknown;
    try {
      json = JSON.parse(trimmed);
    } catch {
      yield { kind: 'unreadable', number, text: trimmed, reason: 'invalid', detail: ': not JSON' };
      continue;
    }
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      yield { kind: 'unreadable', number, text: trimmed, reason: 'invalid', detail: ': not an object' };
      continue;
    }
    yield { kind: 'cells', number, text: trimmed, cells: json as Cells };
  }
}

/** Lines of text; null stands for one that is too long to hold. */
async function* textLines(input: Readable): AsyncGenerator<string | null> {
  const decoder = new TextDecoder();
  let rest = '';
  let isTooLong = false;
  for await (const chunk of input as AsyncIterable<Buffer>) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      yield isTooLong || part.length > longestLine ? null : part;
      isTooLong = false;
    }
    if (rest.length > longestLine) {
      isTooLong = true;
      rest = '';
    }
  }
  if (rest !== '' || isTooLong) yield isTooLong ? null : rest;
}

const separator = '\u001F';

async function* csvLines(source: Source): AsyncGenerator<Line> {
  const skipped: Line[] = [];
  let header: string | null = null;
  const parser = parse({
    bom: true,
    delimiter: source.delimiter,
    info: true,
    max_record_size: longestLine,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error: CsvError | undefined) => {
      if (error === undefined) return undefined;
      const { record, lines } = error as CsvError & { record?: unknown; lines?: number };
      const text = record === undefined ? '' : JSON.stringify(record);
      skipped.push({
        kind: 'unreadable',
        number: lines ?? 0,
        text,
        reason: 'invalid',
        detail: `: ${error.message}`,
      });
      return undefined;
    },
  });
  const input = open(source);
  input.on('error', (error) => parser.destroy(error));
  input.pipe(parser);
  for await (const { record, info } of parser as AsyncIterable<{
    record: string[];
    info: { lines: number };
  }>) {
    if (header === null) {
      const columns = checkedHeader(record, source.file);
      source.onColumns?.(columns);
      header = `${columns.join(separator)}\n`;
      continue;
    }
    // The parser runs ahead of this loop; in the order of the file, a later run can go on where this one stopped.
    while (skipped[0] !== undefined && skipped[0].number <= info.lines) yield skipped.shift() as Line;
    yield { kind: 'cells', number: info.lines, text: header + record.join(separator), cells: record };
  }
  yield* skipped;
}

function checkedHeader(header: string[], file: string): string[] {
  const names = header.map((name) => name.trim());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Refusal(`${file} has two columns named “${twice}”.`);
  return names;
}
