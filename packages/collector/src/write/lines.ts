import type { Position } from '../buffer/buffer.ts';
import { lineOf } from './copy.ts';
import type { TouchpointRow } from './row.ts';

/** A touchpoint as a line of COPY's text format, and the little that is asked of it before it is stored. */
export type Line = {
  siteId: number;
  receivedAt: number;
  touchpointId: string;
  /** Whether it goes on to derive: not those of bots and of the site's own people. */
  isDerived: boolean;
  /** Whether a worthless id was left out of it. */
  isWorthless: boolean;
  /** Which event it was, of the request that stands there in the buffer. */
  index: number;
  position: Position;
  /** Where it stands: bytes `start` to `end` of `text`. */
  text: Buffer;
  start: number;
  end: number;
};

// The number of the batch is the last field, and known only when a transaction begins. Zeros keep its place, as many as
// the largest bigint has digits: PostgreSQL reads them as nothing.
const digits = 19;
const room = '0'.repeat(digits);

/**
 * Rows as lines. A line is written where it belongs, for joining them all costs twice as much; and as bytes they are
 * out of the garbage collector's way, who would carry rows about until they are stored.
 */
export function linesOf(rows: readonly TouchpointRow[], indexes?: readonly number[]): Line[] {
  const lines: Line[] = [];
  let length = 0;
  for (const [at, row] of rows.entries()) {
    const line = lineOf(row, room);
    const most = line.length * 3; // UTF-8 of one UTF-16 unit
    if (length + most > scratch.length) scratch = enlarged(length, most);
    const start = length;
    length += scratch.write(line, length);
    lines.push({
      siteId: row.siteId,
      receivedAt: row.receivedAt,
      touchpointId: row.touchpointId,
      isDerived: row.botReason === null && row.internalReason === null,
      isWorthless: row.flags !== null && row.flags.includes('worthless_id'),
      index: indexes?.[at] ?? at,
      position: 0,
      text: nothing,
      start,
      end: length,
    });
  }
  const text = Buffer.from(scratch.subarray(0, length));
  for (const line of lines) line.text = text;
  if (scratch.length > largestKept) scratch = Buffer.allocUnsafeSlow(largestKept);
  return lines;
}

/** How many bytes some lines have together. */
export function sizeOf(lines: readonly Line[]): number {
  let size = 0;
  for (const { start, end } of lines) size += end - start;
  return size;
}

/** Writes lines one after the other, as they are sent to PostgreSQL. */
export function writeLines(bytes: Buffer, lines: readonly Line[], batchId: string): void {
  const number = Buffer.from(batchId.padStart(digits, '0'), 'latin1');
  let at = 0;
  for (const { text, start, end } of lines) {
    text.copy(bytes, at, start, end);
    at += end - start;
    bytes.set(number, at - digits - 1);
  }
}

const nothing = Buffer.alloc(0);
const largestKept = 1024 * 1024;
let scratch: Buffer = Buffer.allocUnsafeSlow(largestKept);

function enlarged(length: number, by: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(2 * (length + by));
  scratch.copy(larger, 0, 0, length);
  return larger;
}
