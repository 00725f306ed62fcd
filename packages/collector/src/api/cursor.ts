import { createHmac, timingSafeEqual } from 'node:crypto';
import { Problem } from '../problems.ts';

/** Where a list stood: the sort key of the last row given out, each part as the database's own text. */
export type Position = string[];

/** What a cursor is for. It opens nothing else: neither another site's list nor the same list under other filters. */
export type CursorScope = { secret: Buffer; list: string };

const sealLength = 12;

/** An opaque text that stands for `position`. The same position gives the same text, for as long as the site lives. */
export function cursorOf(position: Position, scope: CursorScope): string {
  const body = Buffer.from(JSON.stringify(position));
  return textOf(Buffer.concat([sealOf(body, scope), body]));
}

/** The position that `cursor` stands for. Throws `invalid-cursor` for anything this list did not give out. */
export function positionOf(cursor: string, scope: CursorScope): Position {
  const bytes = Buffer.from(cursor.slice(1), 'base64url');
  const seal = bytes.subarray(0, sealLength);
  const body = bytes.subarray(sealLength);
  const isOurs =
    // base64url reads sloppily (other alphabets, stray characters): only the exact text counts
    textOf(bytes) === cursor && seal.length === sealLength && timingSafeEqual(seal, sealOf(body, scope));
  if (!isOurs) {
    throw new Problem(
      'invalid-cursor',
      'Send `next_cursor` of the page before, unchanged, with the same filters; or leave it out to begin again.',
    );
  }
  return JSON.parse(body.toString()) as Position;
}

// A letter first: what begins with a hyphen would be taken for a formula by spreadsheets, and marked as none in CSV.
function textOf(bytes: Buffer): string {
  return `c${bytes.toString('base64url')}`;
}

function sealOf(body: Buffer, { secret, list }: CursorScope): Buffer {
  // the first line keeps these hashes apart from those of person ids, which use the same secret
  return createHmac('sha256', secret)
    .update(`milepost cursor 1\n${list}\n`)
    .update(body)
    .digest()
    .subarray(0, sealLength);
}
