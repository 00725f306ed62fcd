import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { BufferEntry, Position, TouchpointBuffer } from '../buffer/buffer.ts';
import { type Commit, Committer, sumOf } from './committer.ts';
import { type Loss, prepare } from './prepare.ts';
import type { Reject } from './rejects.ts';
import type { TouchpointRow } from './row.ts';

export type WriterOptions = {
  buffer: Pick<TouchpointBuffer, 'read' | 'confirm' | 'depth' | 'onAppend'>;
  pool: Pool;
  log: Pick<Logger, 'warn' | 'error'>;
  /** Called after each commit that stored something; wakes derive. */
  onStored?: (commit: Commit) => void;
  metrics?: { committed(commit: Commit): void; failed(error: unknown): void };
  /** Connections to write by (default 1). Each takes the touchpoints of its own identities, so these stay in order. */
  lanes?: number;
};

export type Writer = {
  /** Resolves once all that the buffer held at the call is stored. */
  drain(): Promise<void>;
  /** Stores what the buffer still holds, for at most `drainMs` (default 10,000), and stops. The rest stays there. */
  stop(drainMs?: number): Promise<void>;
};

/** The rows of some entries of the buffer, in order. */
type Work = { rows: TouchpointRow[]; rejects: Reject[]; losses: Loss[]; entries: number; last: Position };

// More rows in one transaction gain nothing (measured up to 10,000); fewer cost PostgreSQL more each.
const rowsPerCommit = 2_000;
const readLimits = { maxEntries: 200, maxBytes: 4 * 1024 * 1024 };
/** Fewer rows than this wait for company until `lingerMs` after the last commit. */
const fewRows = 500;
const lingerMs = 25;
/** So often the buffer is looked at even if no append was heard of. */
const pollMs = 1_000;

/** Carries touchpoints from the buffer to PostgreSQL, each exactly once, until it is stopped. */
export function startWriter(options: WriterOptions): Writer {
  const { buffer, log, metrics } = options;
  const lanes = options.lanes ?? 1;
  const stopping = new AbortController();
  const committer = new Committer({
    pool: options.pool,
    log,
    signal: stopping.signal,
    onFailure: (error) => metrics?.failed(error),
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
    for (let turn = 1; work.rows.length < rowsPerCommit; turn += 1) {
      if (unread.length === 0) {
        unread = buffer.read(lastRead, readLimits);
        if (unread.length === 0) return;
        lastRead = unread.at(-1)!.position;
      }
      const entry = unread.shift()!;
      const { rows, rejects, losses } = prepare(entry);
      for (const row of rows) work.rows.push(row);
      work.rejects.push(...rejects);
      work.losses.push(...losses);
      work.entries += 1;
      work.last = entry.position;
      if (turn % 8 === 0) await setImmediate();
    }
  }

  /** An identity's touchpoints all go by one lane, and a lane ends before the next work begins: they stay in order. */
  async function store({ rows, rejects, losses }: Work): Promise<Commit> {
    const loads = Array.from({ length: lanes }, (_, lane) => ({
      rows:
        lanes === 1
          ? rows
          : rows.filter(({ identityId }) => Number.parseInt(identityId.slice(0, 4), 16) % lanes === lane),
      rejects: lane === 0 ? rejects : [],
      losses: lane === 0 ? losses : [],
    }));
    const outcomes = await Promise.allSettled(loads.map((load, lane) => committer.store(load, lane)));
    const commits: Commit[] = [];
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') throw outcome.reason;
      commits.push(outcome.value);
    }
    return sumOf(commits);
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

  /** One turn: stores the work, and encodes the next while PostgreSQL is busy with it. */
  async function turn(work: Work): Promise<Work> {
    await fill(work);
    if (work.entries === 0) {
      await Promise.race([appended.promise, sleep(pollMs, undefined, { ref: false })]);
      appended = Promise.withResolvers();
      return work;
    }
    const lingering = lastCommitAt + lingerMs - performance.now();
    if (work.rows.length < fewRows && lingering > 0 && waiting.length === 0) {
      await sleep(lingering);
      await fill(work);
    }
    const next = emptyWork();
    const [commit] = await Promise.all([store(work), fill(next).catch(() => {})]); // a failed read is met again
    await confirm(work, commit);
    return next;
  }

  async function run(): Promise<void> {
    let work = emptyWork();
    while (!stopping.signal.aborted) {
      try {
        work = await turn(work);
      } catch (error) {
        if (stopping.signal.aborted) return;
        log.error({ err: error }, 'the writer stumbled; going on');
        await sleep(pollMs, undefined, { ref: false });
      }
    }
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
  return { rows: [], rejects: [], losses: [], entries: 0, last: -1 };
}
