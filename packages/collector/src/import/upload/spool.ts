import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import { Problem, problemForNow } from '../../problems.ts';

export type SpoolOptions = {
  /** Where it goes; `.gz` is put behind it for a packed body. */
  path: string;
  maxBytes: number;
  /** How long nothing may come before the upload is given up. */
  stallMs: number;
  isDiskLow: () => boolean;
};

/**
 * Writes a body to a file as it comes, in memory that does not grow with it. Resolves to the file's path; throws the
 * problem to answer where it is too large, stalls, or ends before its end, and then leaves no file.
 */
export async function spool(body: Readable, options: SpoolOptions): Promise<string> {
  const { path, maxBytes, stallMs, isDiskLow } = options;
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), stallMs);
  let bytes = 0;
  let head = Buffer.alloc(0);
  async function* checked(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      timer.refresh();
      bytes += chunk.length;
      if (bytes > maxBytes) {
        throw new Problem(
          'body-too-large',
          `An import may have ${maxBytes} bytes: pack it with gzip, or send it in parts.`,
        );
      }
      if (isDiskLow()) {
        throw problemForNow('buffer-full', 'The disk is nearly full; nothing of this was stored.', 60);
      }
      if (head.length < 2) head = Buffer.concat([head, chunk.subarray(0, 2)]).subarray(0, 2);
      yield chunk;
    }
  }

  try {
    await pipeline(body, checked, createWriteStream(path, { flags: 'wx', mode: 0o600 }), {
      signal: stalled.signal,
    });
    if (head[0] !== 0x1f || head[1] !== 0x8b) return path;
    await rename(path, `${path}.gz`);
    return `${path}.gz`;
  } catch (error) {
    await rm(path, { force: true });
    if (stalled.signal.aborted) {
      throw new Problem('request-timeout', 'Nothing came for a while: send it again. Nothing was stored.');
    }
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
      throw problemForNow('buffer-full', 'The disk is full; nothing of this was stored.', 60);
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
