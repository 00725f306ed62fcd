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
  /** How messages call it. Default: its path. */
  title?: string;
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

/** The lines of a file, some at a time, in memory that does not grow with it. */
export function linesOf(source: Source): AsyncGenerator<Line[]> {
  return source.format === 'csv' ? csvLines(source) : ndjsonLines(source);
}

/** The texts of the lines alone, as `linesOf` gives them; of NDJSON also of those that are none. */
export async function* textsOf(source: Source): AsyncGenerator<string[]> {
  if (source.format === 'csv') {
    for await (const lines of csvLines(source)) {
      yield lines.filter(({ kind }) => kind === 'cells').map(({ text }) => text);
    }
    return;
  }
  for await (const texts of textLines(open(source))) {
    yield texts.map((text) => text?.trim() ?? '').filter((text) => text !== '');
  }
}

function open({ file, onBytes }: Source): Readable {
  const raw = createReadStream(file, { highWaterMark: 256 * 1024 });
  raw.on('data', (chunk) => onBytes(chunk as Buffer));
  if (!file.toLowerCase().endsWith('.gz')) return raw;
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  raw.on('error', (error) => gunzip.destroy(error));
  return raw.pipe(gunzip);
}

async function* ndjsonLines(source: Source): AsyncGenerator<Line[]> {
  let number = 0;
  for await (const texts of textLines(open(source))) {
    const lines: Line[] = [];
    for (const text of texts) {
      number += 1;
      const line = ndjsonLine(text, number);
      if (line !== null) lines.push(line);
    }
    yield lines;
  }
}

/** Null for a line that is empty. */
function ndjsonLine(text: string | null, number: number): Line | null {
  const unreadable = (reason: 'invalid' | 'too_large', detail: string, said = ''): Line => {
    return { kind: 'unreadable', number, text: said, reason, detail };
  };
  if (text === null) return unreadable('too_large', ': longer than 1 MiB');
  const trimmed = text.trim();
  if (trimmed === '') return null;
  let json: unknown;
  try {
    json = JSON.parse(trimmed);
  } catch {
    return unreadable('invalid', ': not JSON', trimmed);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return unreadable('invalid', ': not an object', trimmed);
  }
  return { kind: 'cells', number, text: trimmed, cells: json as Cells };
}

/** Lines of text; null stands for one that is too long to hold. */
async function* textLines(input: Readable): AsyncGenerator<(string | null)[]> {
  const decoder = new TextDecoder();
  let rest = '';
  let isTooLong = false;
  for await (const chunk of input as AsyncIterable<Buffer>) {
    const parts: (string | null)[] = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    if (isTooLong && parts.length > 0) {
      parts[0] = null;
      isTooLong = false;
    }
    yield parts.map((part) => (part !== null && part.length > longestLine ? null : part));
    if (rest.length > longestLine) {
      isTooLong = true;
      rest = '';
    }
  }
  if (rest !== '' || isTooLong) yield [isTooLong ? null : rest];
}

const separator = '\u001F';

// Enough that handing lines over costs little beside reading them.
const recordsAtOnce = 500;

async function* csvLines(source: Source): AsyncGenerator<Line[]> {
  const skipped: Line[] = [];
  let lines: Line[] = [];
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
      const columns = checkedHeader(record, source.title ?? source.file);
      source.onColumns?.(columns);
      header = `${columns.join(separator)}\n`;
      continue;
    }
    // The parser runs ahead of this loop; in the order of the file, a later run can go on where this one stopped.
    while (skipped[0] !== undefined && skipped[0].number <= info.lines) lines.push(skipped.shift() as Line);
    lines.push({ kind: 'cells', number: info.lines, text: header + record.join(separator), cells: record });
    if (lines.length < recordsAtOnce) continue;
    yield lines;
    lines = [];
  }
  yield [...lines, ...skipped];
}

function checkedHeader(header: string[], title: string): string[] {
  const names = header.map((name) => name.trim());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Refusal(`${title} has two columns named “${twice}”.`);
  return names;
}
