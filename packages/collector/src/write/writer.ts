import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { BufferEntry, Position, TouchpointBuffer } from '../buffer/buffer.ts';
import { type Commit, Committer } from './committer.ts';
import type { Line } from './lines.ts';
import { type Loss, readyOf, refusedEvent } from './prepare.ts';
import type { Reject } from './rejects.ts';

export type WriterOptions = {
  buffer: Pick<TouchpointBuffer, 'read' | 'confirm' | 'depth' | 'onAppend'>;
  pool: Pool;
  log: Pick<Logger, 'warn' | 'error'>;
  /** Called after each commit that stored something; wakes derive. */
  onStored?: (commit: Commit) => void;
  metrics?: { committed(commit: Commit): void; failed(error: unknown): void };
};

export type Writer = {
  /** Resolves once all that the buffer held at the call is stored. */
  drain(): Promise<void>;
  /** Stores what the buffer still holds, for at most `drainMs` (default 10,000), and stops. The rest stays there. */
  stop(drainMs?: number): Promise<void>;
};

/** The touchpoints of some entries of the buffer, in order. */
type Work = {
  lines: Line[];
  rejects: Reject[];
  losses: Loss[];
  entries: number;
  bytes: number;
  last: Position;
};

// More in one transaction gain nothing (measured up to 10,000); fewer cost PostgreSQL more each.
const eventsPerCommit = 2_000;
/** Of requests. */
const bytesPerCommit = 8 * 1024 * 1024;
const worksUnderWay = 2;
const readLimits = { maxEntries: 200, maxBytes: 4 * 1024 * 1024 };
/** Fewer touchpoints than this wait for company until `lingerMs` after the last commit. */
const fewRows = 500;
const lingerMs = 50;
/** So long the writer computes before requests get their turn. */
const sliceMs = 5;
/** So often the buffer is looked at even if no append was heard of. */
const pollMs = 1_000;

/** Carries touchpoints from the buffer to PostgreSQL, each exactly once, until it is stopped. */
export function startWriter(options: WriterOptions): Writer {
  const { buffer, log, metrics } = options;
  const stopping = new AbortController();
  const committer = new Committer({
    pool: options.pool,
    log,
    signal: stopping.signal,
    onFailure: (error) => metrics?.failed(error),
    rejectOf: ({ position, index }, error) => {
      const [entry] = buffer.read(position - 1, { maxEntries: 1, maxBytes: 0 });
      return refusedEvent(entry!, index, error); // it is there until its work is confirmed
    },
  });

  let appended = Promise.withResolvers<void>();
  const unsubscribe = buffer.onAppend(() => appended.resolve());
  let unread: BufferEntry[] = [];
  let lastRead: Position | null = null;
  let confirmedEntries = 0;
  let lastCommitAt = 0;
  let waiting: { until: number; resolve: () => void }[] = [];

  /** Adds entries to the work until it is full. Requests get their turn in between: encoding is Node's own work. */
  async function fill(work: Work): Promise<void> {
    let sliceEnd = performance.now() + sliceMs;
    while (work.lines.length + work.rejects.length < eventsPerCommit && work.bytes < bytesPerCommit) {
      if (unread.length === 0) {
        unread = buffer.read(lastRead, readLimits);
        if (unread.length === 0) return;
        lastRead = unread.at(-1)!.position;
      }
      const entry = unread.shift()!;
      const { lines, rejects, losses } = entry.ready ?? readyOf(entry);
      for (const line of lines) {
        line.position = entry.position;
        work.lines.push(line);
      }
      for (const reject of rejects) work.rejects.push(reject);
      for (const loss of losses) work.losses.push(loss);
      work.entries += 1;
      work.bytes += entry.size;
      work.last = entry.position;
      if (performance.now() < sliceEnd) continue;
      await setImmediate();
      sliceEnd = performance.now() + sliceMs;
    }
  }

  async function confirm(work: Work, commit: Commit): Promise<void> {
    confirmedEntries += work.entries;
    lastCommitAt = performance.now();
    metrics?.committed(commit);
    if (commit.stored > 0) options.onStored?.(commit);
    try {
      await buffer.confirm(work.last);
    } catch (error) {
      // The next confirmation covers these entries too; after a restart they come again, and their ids are known.
      log.error({ err: error }, 'the buffer could not forget what is stored');
    }
    for (const { until, resolve } of waiting) if (until <= confirmedEntries) resolve();
    waiting = waiting.filter(({ until }) => until > confirmedEntries);
  }

  /** Waits until there is work, and for a moment more if it is little. */
  async function gather(work: Work): Promise<void> {
    await fill(work);
    if (work.entries === 0) {
      await Promise.race([appended.promise, sleep(pollMs, undefined, { ref: false })]);
      appended = Promise.withResolvers();
      await fill(work);
    }
    const lingering = lastCommitAt + lingerMs - performance.now();
    if (work.entries > 0 && work.lines.length < fewRows && lingering > 0 && waiting.length === 0) {
      await sleep(lingering);
      await fill(work);
    }
  }

  /** Stores the work, after the one before it; rejects only if the writer is stopped before. */
  async function carry(work: Work, previous: Promise<void> | undefined): Promise<void> {
    const commit = await committer.store(work, previous);
    await previous;
    await confirm(work, commit);
  }

  /**
   * Two works are under way at a time, by two connections: while one is committed, PostgreSQL takes in the next. Their
   * commits are in order. Little work waits for what is under way, and grows meanwhile.
   */
  async function run(): Promise<void> {
    const underWay: Promise<void>[] = [];
    let work = emptyWork();
    while (!stopping.signal.aborted) {
      try {
        await gather(work);
        while (underWay.length >= (work.lines.length < fewRows ? 1 : worksUnderWay)) {
          await underWay.shift();
          await fill(work);
        }
      } catch (error) {
        if (stopping.signal.aborted) break;
        log.error({ err: error }, 'the writer stumbled; going on');
        await sleep(pollMs, undefined, { ref: false });
        continue;
      }
      if (work.entries === 0) continue;
      const carried = carry(work, underWay.at(-1));
      carried.catch(() => {}); // it is awaited when its turn comes
      underWay.push(carried);
      work = emptyWork();
    }
    await Promise.allSettled(underWay);
  }

  const running = run();

  async function drain(): Promise<void> {
    const { entries } = buffer.depth();
    if (entries === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push({ until: confirmedEntries + entries, resolve });
    appended.resolve();
    await promise;
  }

  return {
    drain,
    async stop(drainMs = 10_000) {
      await Promise.race([drain(), sleep(drainMs, undefined, { ref: false })]);
      stopping.abort();
      appended.resolve();
      unsubscribe();
      await running;
    },
  };
}

function emptyWork(): Work {
  return { lines: [], rejects: [], losses: [], entries: 0, bytes: 0, last: -1 };
}
