import { mkdirSync } from 'node:fs';
import { open } from 'lmdb';
import {
  BufferFull,
  BufferUnavailable,
  type BufferDepth,
  type BufferEntry,
  type Envelope,
  type Position,
  type ReadLimits,
  type TouchpointBuffer,
} from './buffer.ts';
import type { Ready, Request } from '../write/prepare.ts';
import { lowDiskOf, syncFolder } from './disk.ts';
import { decodeEntry, decodeKey, encodeKey, encodeValue, keyAfter } from './entry.ts';
import { lockFolder } from './lock.ts';
import { Remembered, type RememberedEntry } from './remembered.ts';

const mebibyte = 1024 * 1024;

// What waits for the disk in memory. Past it the disk is too slow for the load, and the answer is "later".
const maxWaitingBytes = 24 * mebibyte;
// One commit may hold this much, so that a slow disk answers in steps.
const maxCommitBytes = 16 * mebibyte;
// Values over half a page take whole pages of 4 KiB, which is what the cap has to count.
const pageSize = 4096;

// So much of the disk stays free. LMDB does not survive a full disk in good order (its process may end), so the
// buffer refuses before: nothing acked is lost either way, but this way the collector goes on answering.
const leastFreeBytes = 128 * mebibyte;

const lastPositionKey = Buffer.from('last-position');
const checkKey = Buffer.from('check');

export type LmdbBufferOptions = {
  folder: string;
  /** The cap in bytes on disk; past it `append` rejects with `BufferFull`. */
  maxBytes: number;
  /** What must stay free on the disk (default 128 MiB); below it `append` rejects with `BufferFull`, too. */
  leastFreeBytes?: number;
  /** What the writer of this process stores of a request; done while what its body says is at hand. */
  makeReady?: (request: Request) => Ready;
  /** Called after each durable commit, for the metrics. */
  onCommit?: (commit: { seconds: number; entries: number }) => void;
};

type Waiting = {
  key: Buffer;
  value: Buffer;
  remember: RememberedEntry | null;
  resolve: () => void;
  reject: (error: Error) => void;
};

/** Opens the buffer in `folder`, as the last process left it: everything appended and not confirmed is there. */
export async function openLmdbBuffer(options: LmdbBufferOptions): Promise<LmdbBuffer> {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const unlock = await lockFolder(options.folder);
  try {
    const buffer = new LmdbBuffer(options, unlock);
    syncFolder(options.folder);
    return buffer;
  } catch (error) {
    await unlock();
    throw error;
  }
}

/**
 * A buffer in LMDB with group commit: while one commit is being synced, later appends gather, and the next commit
 * takes them all. `overlappingSync` must stay off: with it, LMDB resolves a write before it is on the disk.
 */
class LmdbBuffer implements TouchpointBuffer {
  readonly #root;
  readonly #entries;
  readonly #meta;
  readonly #maxBytes: number;
  readonly #isDiskLow: () => boolean;
  readonly #onCommit: LmdbBufferOptions['onCommit'];
  readonly #makeReady: LmdbBufferOptions['makeReady'];
  readonly #unlock: () => Promise<void>;
  readonly #listeners = new Set<() => void>();
  readonly #remembered = new Remembered();

  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #checks: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #confirmations: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #confirmUpTo: Position = 0;
  #lastPosition: Position;
  #entryCount = 0;
  #bytes = 0;
  #committing: Promise<void> | null = null;
  #isClosing = false;
  #failure: BufferUnavailable | null = null;

  constructor(options: LmdbBufferOptions, unlock: () => Promise<void>) {
    const { folder, maxBytes } = options;
    this.#maxBytes = maxBytes;
    this.#isDiskLow = lowDiskOf(folder, options.leastFreeBytes ?? leastFreeBytes);
    this.#onCommit = options.onCommit;
    this.#makeReady = options.makeReady;
    this.#unlock = unlock;
    this.#root = open({
      path: folder,
      noSubdir: false,
      overlappingSync: false,
      maxDbs: 2,
      // Address space, not disk. Twice the cap leaves room for pages freed by a commit and not yet used again.
      mapSize: maxBytes * 2 + 64 * mebibyte,
    });
    const binary = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;
    this.#entries = this.#root.openDB<Buffer, Buffer>({ name: 'entries', ...binary });
    this.#meta = this.#root.openDB<Buffer, Buffer>({ name: 'meta', ...binary });

    this.#lastPosition = Number(this.#meta.get(lastPositionKey)?.readBigUInt64BE(0) ?? 0n);
    for (const key of this.#entries.getKeys()) {
      const { position, size } = decodeKey(key);
      this.#entryCount += 1;
      this.#bytes += diskSize(size);
      this.#lastPosition = Math.max(this.#lastPosition, position);
    }
  }

  requireRoom(size: number): void {
    const refusal = this.#refusalOf(diskSize(size));
    if (refusal) throw refusal;
  }

  append(envelope: Envelope, body: Uint8Array, json?: unknown): Promise<void> {
    const value = encodeValue(envelope, body);
    const size = diskSize(value.length);
    const refusal = this.#refusalOf(size);
    if (refusal) return Promise.reject(refusal);
    this.#lastPosition += 1;
    const position = this.#lastPosition;
    const key = encodeKey({ position, size: value.length, receivedAt: envelope.receivedAt });
    // Rejects take many times the memory of their bodies, and a client can make any number of them.
    const isRemembered =
      json !== undefined &&
      envelope.rejected === undefined &&
      this.#makeReady &&
      this.#remembered.reserve(body.length);
    const remember = isRemembered
      ? { position, envelope, ready: this.#makeReady({ envelope, body, json }), size: body.length }
      : null;
    this.#waitingBytes += size;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, value, remember, resolve, reject });
      this.#commitSoon();
    });
  }

  read(after: Position | null, limits: ReadLimits): BufferEntry[] {
    const reading = new Reading(limits);
    let position = Math.max(after ?? 0, this.#confirmUpTo);
    for (;;) {
      const from = position;
      for (let entry; (entry = this.#remembered.get(position + 1)); position += 1) {
        if (!reading.hasRoomFor(entry.size)) return reading.entries;
        reading.entries.push(this.#withBody(entry));
        this.#remembered.forget(entry.position);
      }
      // Keys first: a value is copied out of the map only once it is known to fit.
      const limit = limits.maxEntries - reading.entries.length;
      for (const key of this.#entries.getKeys({ start: keyAfter(position), limit })) {
        const decoded = decodeKey(key);
        if (this.#remembered.get(decoded.position)) {
          position = decoded.position - 1; // numbers may be left out, by a restart above all
          break;
        }
        const value = this.#entries.get(key);
        if (value === undefined) continue;
        if (!reading.hasRoomFor(decoded.size)) return reading.entries;
        position = decoded.position;
        reading.entries.push(decodeEntry(position, value));
      }
      if (position === from) return reading.entries;
    }
  }

  /** The body of what is ready is hardly ever asked for. */
  #withBody({ position, envelope, ready, size }: RememberedEntry): BufferEntry {
    const read = () => this.#bodyAt(position);
    return {
      position,
      envelope,
      ready,
      size,
      get body() {
        return read();
      },
    };
  }

  #bodyAt(position: Position): Uint8Array {
    for (const key of this.#entries.getKeys({ start: keyAfter(position - 1), limit: 1 })) {
      const value = this.#entries.get(key);
      if (value !== undefined && decodeKey(key).position === position)
        return decodeEntry(position, value).body;
    }
    throw new Error(`the buffer holds no entry ${position}`);
  }

  confirm(position: Position): Promise<void> {
    if (position <= this.#confirmUpTo) return Promise.resolve();
    this.#confirmUpTo = position;
    this.#remembered.forgetUpTo(position);
    return new Promise((resolve, reject) => {
      this.#confirmations.push({ resolve, reject });
      this.#commitSoon();
    });
  }

  depth(): BufferDepth {
    const [oldest] = this.#entries.getKeys({ start: keyAfter(this.#confirmUpTo), limit: 1 });
    return {
      entries: this.#entryCount,
      bytes: this.#bytes,
      oldestReceivedAt: oldest ? decodeKey(oldest).receivedAt : null,
    };
  }

  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  check(): Promise<void> {
    const refusal = this.#refusalOf(pageSize);
    if (refusal) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      this.#checks.push({ resolve, reject });
      this.#commitSoon();
    });
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    await this.#committing;
    await this.#root.close();
    await this.#unlock();
  }

  /** Why `size` more bytes cannot be taken now; null if they can. */
  #refusalOf(size: number): BufferFull | BufferUnavailable | null {
    if (this.#isClosing) return new BufferUnavailable('The buffer is closed');
    if (this.#failure) return this.#failure;
    if (this.#bytes + this.#waitingBytes + size > this.#maxBytes) {
      return new BufferFull(`The buffer holds ${this.#bytes} of ${this.#maxBytes} bytes`);
    }
    if (this.#waitingBytes + size > maxWaitingBytes) {
      return new BufferFull(`${this.#waitingBytes} bytes wait for the disk`);
    }
    return this.#isDiskLow() ? new BufferFull('The disk is nearly full') : null;
  }

  #commitSoon(): void {
    this.#committing ??= this.#commitAll();
  }

  async #commitAll(): Promise<void> {
    // Requests of the same turn of the event loop share the first commit, too.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0 || this.#confirmations.length > 0 || this.#checks.length > 0) {
      await this.#commitOnce();
    }
    // In the same turn as the last look, or an append in between would wait for ever.
    this.#committing = null;
  }

  async #commitOnce(): Promise<void> {
    const appends = this.#takeWaiting();
    const confirmations = this.#confirmations;
    const checks = this.#checks;
    this.#confirmations = [];
    this.#checks = [];
    let appendedBytes = 0;
    let removed = 0;
    let removedBytes = 0;
    const startedAt = performance.now();
    let failure: BufferUnavailable | null = null;
    try {
      // All calls of one turn go into one transaction of LMDB, and share the promise of its commit.
      const written: Promise<boolean>[] = [];
      for (const { key, value } of appends) {
        written.push(this.#entries.put(key, value));
        appendedBytes += diskSize(value.length);
      }
      if (confirmations.length > 0) {
        for (const key of this.#entries.getKeys({ end: keyAfter(this.#confirmUpTo) })) {
          written.push(this.#entries.remove(key));
          removed += 1;
          removedBytes += diskSize(decodeKey(key).size);
        }
        // Kept, so that positions go on growing after everything was confirmed and the process restarted.
        written.push(this.#meta.put(lastPositionKey, positionValue(this.#confirmUpTo)));
      }
      if (checks.length > 0) written.push(this.#meta.put(checkKey, positionValue(this.#lastPosition)));
      await Promise.all(new Set(written));
    } catch (cause) {
      // After a failed sync nobody knows what the disk holds: only a new start, which reads it, does.
      failure = new BufferUnavailable('The disk refused to store; the collector must be restarted', {
        cause,
      });
      this.#failure = failure;
    }
    this.#waitingBytes -= appends.reduce((sum, { value }) => sum + diskSize(value.length), 0);
    if (failure) {
      for (const { reject } of [...appends, ...confirmations, ...checks]) reject(failure);
      return;
    }
    this.#entryCount += appends.length - removed;
    this.#bytes += appendedBytes - removedBytes;
    this.#onCommit?.({ seconds: (performance.now() - startedAt) / 1000, entries: appends.length });
    for (const { remember, resolve } of appends) {
      if (remember) this.#remembered.add(remember);
      resolve();
    }
    for (const { resolve } of confirmations) resolve();
    for (const { resolve } of checks) resolve();
    if (appends.length > 0) for (const listener of this.#listeners) listener();
  }

  #takeWaiting(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { value } of this.#waiting) {
      bytes += value.length;
      if (count > 0 && bytes > maxCommitBytes) break;
      count += 1;
    }
    const taken = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return taken;
  }
}

/** Entries read so far, within their limits. */
class Reading {
  readonly entries: BufferEntry[] = [];
  readonly #limits: ReadLimits;
  #bytes = 0;

  constructor(limits: ReadLimits) {
    this.#limits = limits;
  }

  /** Whether an entry of this size may come along, and counts it. */
  hasRoomFor(size: number): boolean {
    const { maxEntries, maxBytes } = this.#limits;
    if (this.entries.length >= maxEntries) return false;
    if (this.entries.length > 0 && this.#bytes + size > maxBytes) return false;
    this.#bytes += size;
    return true;
  }
}

function diskSize(valueSize: number): number {
  return Math.ceil(valueSize / pageSize) * pageSize;
}

function positionValue(position: Position): Buffer {
  const value = Buffer.alloc(8);
  value.writeBigUInt64BE(BigInt(position));
  return value;
}
