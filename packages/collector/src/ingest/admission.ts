import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Key } from '../plugins/keys.ts';
import { BufferFull, type Envelope, type TouchpointBuffer } from '../buffer/buffer.ts';
import { problemForNow } from '../problems.ts';
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

/** Resolves once the request is durable; throws the problem that tells the client to come back. */
export async function append(
  buffer: TouchpointBuffer,
  envelope: Envelope,
  { bytes, json }: { bytes: Uint8Array; json: unknown },
): Promise<void> {
  try {
    await buffer.append(envelope, bytes, json);
  } catch (error) {
    if (error instanceof BufferFull) {
      throw problemForNow(
        'buffer-full',
        'Nothing of this request was kept; keep it and send it again later.',
        10,
      );
    }
    throw problemForNow(
      'buffer-unavailable',
      'Nothing of this request was kept; keep it and send it again later.',
      5,
    );
  }
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
