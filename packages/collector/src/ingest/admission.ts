import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Key } from '../plugins/keys.ts';
import { BufferFull, type Envelope, type TouchpointBuffer } from '../buffer/buffer.ts';
import { type Problem, problemForNow } from '../problems.ts';
import { requireOrigin } from './cors.ts';
import { keyOf, requireIngest } from './key-of.ts';
import type { RateLimit } from './rate-limit.ts';

/** The key that `texts` are, if it may send events in this request now. */
export async function admitted(
  texts: readonly string[],
  { app, request, reply, rateLimit }: Admission,
): Promise<Key> {
  const key = await keyOf(app, texts);
  requireIngest(key, request);
  requireOrigin(key, request, reply);
  await rateLimit(key, request);
  return key;
}

export type Admission = {
  app: FastifyInstance;
  request: FastifyRequest;
  reply: FastifyReply;
  rateLimit: RateLimit;
};

/** Throws the problem that tells the client to come back, where a body of this size could not be kept now. */
export function requireRoom(buffer: TouchpointBuffer, size: number): void {
  try {
    buffer.requireRoom(size);
  } catch (error) {
    throw comeBack(error);
  }
}

/** Resolves once the request is durable; throws the problem that tells the client to come back. */
export async function append(
  buffer: TouchpointBuffer,
  envelope: Envelope,
  { bytes, json }: { bytes: Uint8Array; json: unknown },
): Promise<void> {
  try {
    await buffer.append(envelope, bytes, json);
  } catch (error) {
    throw comeBack(error);
  }
}

function comeBack(error: unknown): Problem {
  const detail = 'Nothing of this request was kept; keep it and send it again later.';
  return error instanceof BufferFull
    ? problemForNow('buffer-full', detail, 10)
    : problemForNow('buffer-unavailable', detail, 5);
}

// A browser's is a few hundred characters; the flag for bots needs no more.
const maxUserAgentLength = 512;

/** What is kept of a request's headers and address, and of what its site was set to. */
export function senderOf(
  { isTrusted, site }: { isTrusted: boolean; site: Key['site'] },
  request: FastifyRequest,
): Pick<Envelope, 'userAgent' | 'isInternal' | 'worthlessIds'> {
  const userAgent = request.headers['user-agent']?.slice(0, maxUserAgentLength);
  // A server's own address says nothing of the visitor's.
  const isInternal = !isTrusted && site.isInternal?.(request.ip) === true;
  const { worthlessIds } = site;
  return {
    ...(userAgent !== undefined && { userAgent }),
    ...(isInternal && { isInternal }),
    ...(worthlessIds !== undefined && { worthlessIds }),
  };
}
