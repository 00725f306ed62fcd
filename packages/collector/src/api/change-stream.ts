import { once } from 'node:events';
import { PassThrough, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../problems.ts';
import type { Change } from './change-schema.ts';
import type { FeedPage } from './changes.ts';

/** How long streams wait for what. */
export type StreamTimes = {
  /** Between signs of life while nothing changes. */
  heartbeatMs: number;
  /** A reader that has taken nothing for so long is dropped; it comes back with its last event id. */
  stallMs: number;
};

export const streamTimes: StreamTimes = { heartbeatMs: 15_000, stallMs: 30_000 };

export type StreamOptions = {
  /** Where the reader begins. */
  position: number;
  /** The first page, read before the answer began, so that a cursor that is too old is answered as one. */
  first: FeedPage;
  read: (position: number) => Promise<FeedPage>;
  /** Resolves when there is more behind a position, or after some time. */
  wait: (position: number, patienceMs: number, signal: AbortSignal) => Promise<void>;
  cursorOf: (position: number) => string;
  /** Whether the reader's key is still good; asked with every heartbeat. */
  isAllowed: () => Promise<boolean>;
  times?: StreamTimes;
};

/**
 * The feed as server-sent events, page by page: the next one is read when the reader has taken the one before, so a
 * reader costs one page of memory, however slow it is.
 */
export function changeStream(options: StreamOptions): Readable {
  const stream = new PassThrough();
  const gone = new AbortController();
  stream.once('close', () => gone.abort());
  stream.on('error', () => {
    // The reader has hung up.
  });
  void run(stream, gone.signal, options).then(
    () => stream.end(),
    () => stream.destroy(), // dropped: it took nothing, or what it wants is gone
  );
  return stream;
}

async function run(
  stream: PassThrough,
  signal: AbortSignal,
  { position, first, read, wait, cursorOf, isAllowed, times = streamTimes }: StreamOptions,
): Promise<void> {
  const write = async (text: string): Promise<void> => {
    if (stream.write(text)) return;
    const patience = AbortSignal.any([signal, AbortSignal.timeout(times.stallMs)]);
    await once(stream, 'drain', { signal: patience });
  };

  await write(`retry: 2000\nid: ${cursorOf(position)}\n\n`);
  let page: FeedPage | null = first;
  let heartbeatAt = Date.now() + times.heartbeatMs;
  while (!signal.aborted) {
    if (page !== null) {
      if (page.rows.length > 0) await write(page.rows.map(eventOf).join(''));
      ({ position } = page);
    }
    if (Date.now() >= heartbeatAt) {
      if (!(await isAllowed())) return;
      // an id without data moves the reader on past what its filters left out
      await write(`: still here\nid: ${cursorOf(position)}\n\n`);
      heartbeatAt = Date.now() + times.heartbeatMs;
    }
    if (page?.hasMore !== true) await wait(position, Math.max(1, heartbeatAt - Date.now()), signal);
    if (signal.aborted) return;
    page = await readOn(read, position);
  }
}

/** Null while the database is away: the stream stays open and goes on when it is back. */
async function readOn(read: StreamOptions['read'], position: number): Promise<FeedPage | null> {
  try {
    return await read(position);
  } catch (error) {
    if (!(error instanceof Problem) || error.type !== 'database-unavailable') throw error;
    await sleep(1_000, undefined, { ref: false });
    return null;
  }
}

// JSON has no line break, so one data line is enough
const eventOf = (change: Change) =>
  `id: ${change.cursor}\nevent: ${change.type}\ndata: ${JSON.stringify(change)}\n\n`;
