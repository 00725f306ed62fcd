import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { Refusal } from '../refusal.ts';
import {
  formatVersion,
  lastName,
  type Manifest,
  manifestName,
  manifestSchema,
  rowsName,
  rowsSchema,
  sumsName,
} from './format.ts';

/** What a backup file that is whole says of itself. */
export type Checked = { manifest: Manifest; rows: Record<string, number>; bytes: number };

/** The entries of a backup file, in their order; each is to be read before the next is asked for. */
export async function* entriesOf(
  file: string,
  onBytes?: (bytes: number) => void,
): AsyncGenerator<{ name: string; content: AsyncIterable<Buffer> }> {
  const disk = createReadStream(file, { highWaterMark: 1024 * 1024 });
  const entries = extract();
  let bytes = 0;
  disk.on('data', (chunk) => onBytes?.((bytes += chunk.length)));
  const read = pipeline(disk, entries);
  read.catch(() => {}); // told below, and by the entry at hand
  try {
    for await (const entry of entries)
      yield { name: entry.header.name, content: entry as AsyncIterable<Buffer> };
    await read;
  } finally {
    disk.destroy();
  }
}

/** Reads the whole file and checks every sum in it; a `Refusal` unless it is a backup, and whole. */
export async function checkFile(file: string, onBytes?: (bytes: number) => void): Promise<Checked> {
  const found: string[] = [];
  const kept = new Map<string, Buffer>();
  let bytes = 0;
  let hasBegun = false;
  try {
    for await (const { name, content } of entriesOf(file, (done) => onBytes?.((bytes = done)))) {
      if (found.length === 0 && name !== manifestName) throw notBackup(file);
      hasBegun = true;
      const isKept = [manifestName, rowsName, sumsName, lastName].includes(name);
      const hash = createHash('sha256');
      const chunks: Buffer[] = [];
      for await (const chunk of content) {
        hash.update(chunk);
        if (isKept) chunks.push(chunk);
      }
      if (isKept) kept.set(name, Buffer.concat(chunks));
      if (name === manifestName) refuseForeign(file, textOf(kept, name));
      found.push(`${hash.digest('hex')}  ${name}\n`);
    }
  } catch (error) {
    throw inWords(error, { file, hasBegun });
  }
  if (!kept.has(manifestName)) throw notBackup(file);
  if (!kept.has(lastName)) throw cutShort(file);
  found.pop(); // the sum of the sums
  const ofSums = found.pop();
  if (ofSums !== textOf(kept, lastName)) throw altered(file, sumsName);
  const sums = textOf(kept, sumsName).split(/(?<=\n)/);
  for (const [index, sum] of sums.entries()) {
    if (found[index] !== sum) throw altered(file, sum.slice(66).trimEnd());
  }
  if (found.length !== sums.length) throw altered(file, sumsName);
  return {
    manifest: manifestSchema.parse(JSON.parse(textOf(kept, manifestName))),
    rows: rowsSchema.parse(JSON.parse(textOf(kept, rowsName))),
    bytes,
  };
}

function textOf(kept: Map<string, Buffer>, name: string): string {
  return kept.get(name)?.toString() ?? '';
}

/** Reads no further in a file of another kind, or of a later Milepost. */
function refuseForeign(file: string, text: string): void {
  let said: Partial<Manifest>;
  try {
    said = JSON.parse(text) as Partial<Manifest>;
  } catch {
    throw altered(file, manifestName);
  }
  if (said.format !== 'milepost backup') throw notBackup(file);
  if (said.version !== formatVersion) {
    throw new Refusal(
      `${file} is a backup of a newer Milepost (form ${said.version}, this version reads ${formatVersion}); restore it with that one.`,
    );
  }
}

function inWords(error: unknown, { file, hasBegun }: { file: string; hasBegun: boolean }): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof Refusal) return error;
  if (code === 'ENOENT') return new Refusal(`there is no file ${file}.`);
  if (code === 'EISDIR') return new Refusal(`${file} is a folder; a backup is one file.`);
  if (code !== undefined && code.startsWith('E')) return error;
  if (message === 'Unexpected end of data' && hasBegun) return cutShort(file);
  return hasBegun ? altered(file, 'one of its headers') : notBackup(file);
}

function notBackup(file: string): Refusal {
  return new Refusal(`${file} is not a backup that milepost backup made, or its beginning is damaged.`);
}

function cutShort(file: string): Refusal {
  return new Refusal(
    `${file} is cut short: its end is missing. Nothing was restored; take an earlier backup, or copy this one again.`,
  );
}

function altered(file: string, what: string): Refusal {
  return new Refusal(
    `${file} is damaged: ${what} is not what was backed up. Nothing was restored; take another backup, or copy this one again.`,
  );
}
