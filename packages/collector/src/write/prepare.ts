import { readLosses, type Touchpoint, type UnjudgedBatch } from '@milepost/shared';
import type { BufferEntry, Envelope } from '../buffer/buffer.ts';
import { cameOf } from '../rejected/came.ts';
import { readCalls } from './calls.ts';
import { type Line, linesOf } from './lines.ts';
import type { Reject } from './rejects.ts';
import { type TouchpointRow, rowOf, sharedFactsOf } from './row.ts';

/** What the SDK lost before it could send it; only counted. */
export type Loss = { siteId: number; receivedAt: number; reason: string; count: number };

/** What one request of the buffer asks to be stored. */
export type Prepared = {
  rows: TouchpointRow[];
  /** Which events of the request the rows are. */
  indexes: number[];
  rejects: Reject[];
  losses: Loss[];
};

/** The same as it goes to PostgreSQL. */
export type Ready = { lines: Line[]; rejects: Reject[]; losses: Loss[] };

/** Makes a request ready to be stored. */
export function readyOf(request: Request): Ready {
  const { rows, indexes, rejects, losses } = prepare(request);
  return { lines: linesOf(rows, indexes), rejects, losses };
}

/** `json` is what the body says, where that was read before. */
export type Request = Pick<BufferEntry, 'envelope' | 'body'> & { json?: unknown };

/** The events of a request, as they came, and how one that was accepted becomes a row. */
export type Reading = {
  events: readonly unknown[];
  rowAt: (event: unknown, index: number) => TouchpointRow;
  /** What the events of the request share. */
  shared: { sentAt?: unknown; context?: unknown };
};

/** Turns a request as it came into rows and rejects. Never throws: what cannot be read becomes a reject. */
export function prepare({ envelope, body, json }: Request): Prepared {
  const prepared: Prepared = { rows: [], indexes: [], rejects: [], losses: [] };
  const { siteId, receivedAt } = envelope;
  let reading: Reading;
  try {
    const batch = (json ?? jsonOf(body)) as UnjudgedBatch;
    if (!envelope.segment && !Array.isArray(batch.batch)) throw new TypeError('no batch');
    for (const [reason, count] of readLosses(batch.lost)) {
      prepared.losses.push({ siteId, receivedAt, reason, count });
    }
    reading = readingOf(batch, envelope);
  } catch (error) {
    // Ingest has read it before, so this is a fault of ours or of the disk, or a context that all events share is too
    // deep to be written; it must not stop what comes after.
    const event = Buffer.from(body).toString();
    prepared.rejects.push({ ...unstorable(envelope, error), event, index: 0 });
    return prepared;
  }
  const { events, rowAt, shared } = reading;
  const cameAs = (event: unknown, index: number) => cameOf(envelope, shared, { event, index });
  for (const [index, event] of events.entries()) {
    const verdict = envelope.rejected?.[index];
    if (verdict) {
      const { ingestedBy } = envelope;
      const { reason, detail = null } = verdict;
      prepared.rejects.push({
        siteId,
        receivedAt,
        ingestedBy,
        came: cameAs(event, index),
        reason,
        detail,
        event: textOf(event),
        index,
      });
      continue;
    }
    try {
      prepared.rows.push(rowAt(event, index));
      prepared.indexes.push(index);
    } catch (error) {
      const reject = { ...unstorable(envelope, error), event: textOf(event), index };
      prepared.rejects.push({ ...reject, came: cameAs(event, index) });
    }
  }
  return prepared;
}

/** The reject of an accepted event that PostgreSQL refuses: the event as it came, so that it can be sent again. */
export function refusedEvent({ envelope, body }: Request, index: number, error: unknown): Reject {
  const { events, shared } = readingOf(jsonOf(body) as UnjudgedBatch, envelope);
  const event = events[index];
  const came = cameOf(envelope, shared, { event, index });
  return { ...unstorable(envelope, error), event: textOf(event), index, came };
}

function jsonOf(body: Uint8Array): unknown {
  return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
}

function readingOf(batch: UnjudgedBatch, envelope: Envelope): Reading {
  return envelope.segment
    ? readCalls(batch, { ...envelope, segment: envelope.segment })
    : readTouchpoints(batch, envelope);
}

function readTouchpoints(batch: UnjudgedBatch, envelope: Envelope): Reading {
  const shared = sharedFactsOf(batch, envelope);
  const { sent_at: sentAt, context } = batch;
  return {
    events: batch.batch,
    shared: { sentAt, context },
    rowAt: (event) => rowOf(event as Touchpoint, envelope, shared),
  };
}

/** The reject of a row that PostgreSQL refuses, with the event it came from as far as the row holds it. */
export function refusedRow(row: TouchpointRow, error: unknown): Reject {
  const { siteId, receivedAt, ingestedBy } = row;
  const detail = messageOf(error);
  return {
    siteId,
    receivedAt,
    ingestedBy,
    reason: 'unstorable',
    detail,
    event: textOf(eventOf(row)),
    index: 0,
  };
}

function eventOf(row: TouchpointRow): Record<string, unknown> {
  const read = (json: string | null) => (json === null ? undefined : (JSON.parse(json) as unknown));
  return {
    id: row.givenId ?? row.touchpointId,
    name: row.name,
    type: row.type,
    source: row.source,
    occurred_at: new Date(row.clientTime).toISOString(),
    sequence: row.sequence,
    anonymous_id: row.anonymousId ?? undefined,
    user_id: row.userId ?? undefined,
    account_id: row.accountId ?? undefined,
    identities: read(row.identities),
    properties: read(row.properties),
    traits: read(row.traits),
    context: read(row.context),
  };
}

function unstorable(
  { siteId, receivedAt, ingestedBy }: Envelope,
  error: unknown,
): Omit<Reject, 'event' | 'index'> {
  return { siteId, receivedAt, ingestedBy, reason: 'unstorable', detail: messageOf(error) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function textOf(event: unknown): string {
  try {
    return JSON.stringify(event) ?? 'null';
  } catch {
    return '(nested too deep to be printed)';
  }
}
