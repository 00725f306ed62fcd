import { createHash } from 'node:crypto';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';

const encodings = ['br', 'gzip'] as const;
type Encoding = (typeof encodings)[number] | 'identity';

/** A file as it is served: compressed once, at the start, as well as it can be. */
export type Content = {
  type: string;
  cacheControl: string;
  /** SHA-256 of the plain file, in base64: of it are made the ETag, versioned addresses and SRI. */
  hash: string;
  bodies: ReadonlyMap<Encoding, Buffer>;
};

/** For addresses that change when the content does. */
export const immutable = 'public, max-age=31536000, immutable';
/** For addresses that stay: the browser asks each time, and mostly hears 304. */
export const revalidated = 'no-cache';

/** Compresses a file, unless it is compressed already or grows by it. */
export function contentOf(
  plain: Buffer,
  { type, cacheControl }: { type: string; cacheControl: string },
): Content {
  const bodies = new Map<Encoding, Buffer>([['identity', plain]]);
  if (/^(text|application\/json|image\/svg)/.test(type) && plain.length > 256) {
    bodies.set(
      'br',
      brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } }),
    );
    bodies.set('gzip', gzipSync(plain, { level: 9 }));
  }
  const hash = createHash('sha256').update(plain).digest('base64');
  return { type, cacheControl, hash, bodies };
}

/** Answers with the file, in the best encoding the client takes, or 304 where it has the file already. */
export function sendContent(request: FastifyRequest, reply: FastifyReply, content: Content): FastifyReply {
  const encoding = encodingFor(request.headers['accept-encoding'], content);
  // one tag for each encoding, as RFC 9110 wants it of strong tags
  const tag = `"${content.hash.slice(0, 22)}-${encoding}"`;
  reply
    .header('cache-control', content.cacheControl)
    .header('etag', tag)
    .header('vary', 'accept-encoding')
    .header('x-content-type-options', 'nosniff');
  const known =
    reply.statusCode === 200 &&
    request.headers['if-none-match']?.split(',').map((other) => other.trim().replace(/^W\//, ''));
  if (known && known.includes(tag)) return reply.code(304).send();
  if (encoding !== 'identity') reply.header('content-encoding', encoding);
  return reply.type(content.type).send(content.bodies.get(encoding));
}

/** The smallest body that the `Accept-Encoding` header allows. */
export function encodingFor(header: string | undefined, { bodies }: Pick<Content, 'bodies'>): Encoding {
  const accepted = new Map(
    (header ?? '').split(',').map((part) => {
      const [name = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
      const weight = parameters.find((parameter) => parameter.startsWith('q='));
      return [name, weight === undefined ? 1 : Number(weight.slice(2))] as const;
    }),
  );
  const isAccepted = (name: string) => (accepted.get(name) ?? accepted.get('*') ?? 0) > 0;
  return encodings.find((name) => bodies.has(name) && isAccepted(name)) ?? 'identity';
}
