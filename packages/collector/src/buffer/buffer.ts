import type { RejectReason } from '@milepost/shared';
import type { Ready } from '../write/prepare.ts';
import type { SegmentCall } from '../ingest/segment/calls.ts';

/** What ingest knows about a request and the body does not say. Stored beside the raw bytes. */
export type Envelope = {
  siteId: number;
  /** Milliseconds, the collector's clock when the whole body was read. */
  receivedAt: number;
  /** Came with a secret key. */
  isTrusted: boolean;
  /** The way in: `events`, `segment`, `pixel`, `import` … */
  ingestedBy: string;
  /** The request's header, for the bot flag. */
  userAgent?: string;
  /** Came from a network of the site's own people; the address itself is kept nowhere. */
  isInternal?: true;
  /** Ids that the site knows to be nobody's, as they were when it came; absent for none. */
  worthlessIds?: readonly string[];
  /** Came by Segment's HTTP API: by which route, and how the ids of calls begin that have none. */
  segment?: { call: SegmentCall; fallbackId?: string };
  /** By index in the batch; absent means that every event was accepted. */
  rejected?: Record<number, { reason: RejectReason; detail?: string }>;
};

/** Where an entry stands in the buffer: grows by append, never reused, also not after a restart. */
export type Position = number;

/** One request, as it came. */
export type BufferEntry = {
  position: Position;
  envelope: Envelope;
  /** The raw JSON after gunzip, never encoded again. */
  body: Uint8Array;
  /** The length of the body. */
  size: number;
  /** What the writer stores of it, if that was made when it was appended and is remembered still. */
  ready?: Ready;
};

/** How much one `read` may give; at least one entry comes, however large it is. */
export type ReadLimits = { maxEntries: number; maxBytes: number };

export type BufferDepth = { entries: number; bytes: number; oldestReceivedAt: number | null };

/** Holds requests between ingest and write: durable before the answer, forgotten once PostgreSQL has them. */
export interface TouchpointBuffer {
  /**
   * Resolves once the entry survives `kill -9` and loss of power (fsync, one for all that wait).
   * Rejects with `BufferFull` past the cap and `BufferUnavailable` when the disk refuses. `json` is what `body` says,
   * where the caller has read it: then the writer need not.
   */
  append(envelope: Envelope, body: Uint8Array, json?: unknown): Promise<void>;
  /** Throws what `append` would reject with for an entry of this size now; costs less than making the entry. */
  requireRoom(size: number): void;
  /** The oldest entries after `after` (from the start if null), in order of position. */
  read(after: Position | null, limits: ReadLimits): BufferEntry[];
  /** Forgets everything up to and including `position`. A crash may bring some back: harmless, the ids repeat. */
  confirm(position: Position): Promise<void>;
  depth(): BufferDepth;
  /** Calls `listener` after each durable append; answers how to stop that. */
  onAppend(listener: () => void): () => void;
  /** Resolves if a durable write works right now; rejects as `append` would. */
  check(): Promise<void>;
  /** Waits for what is under way, then lets go of the files. Appends are refused from the call on. */
  close(): Promise<void>;
}

/** The cap is reached: PostgreSQL has been away, or behind, for too long. */
export class BufferFull extends Error {
  override readonly name = 'BufferFull';
}

/** The disk, or the engine on it, refuses. */
export class BufferUnavailable extends Error {
  override readonly name = 'BufferUnavailable';
}
