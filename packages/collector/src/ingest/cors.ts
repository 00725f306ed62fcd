import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isOriginIn, type Key } from '../plugins/keys.ts';
import { Problem } from '../problems.ts';

// A page may read these beside the body: when to come back, and what to tell us of when asking for help.
const exposed = 'Retry-After, X-Request-Id';

/**
 * Lets the page read the answer if the key's site allows its origin; refuses the request if not. The plugin
 * `@fastify/cors` decides before the body is read, and here the key may stand in the body.
 */
export function requireOrigin(key: Key, request: FastifyRequest, reply: FastifyReply): void {
  reply.header('vary', 'Origin');
  const { origin } = request.headers;
  if (origin === undefined) return;
  if (!isOriginIn(key.site.allowedOrigins, origin)) {
    throw new Problem(
      'origin-not-allowed',
      'Pages of this origin may not use the keys of the site: add it to the allowed origins of the site, as the browser writes it (scheme, host and port).',
    );
  }
  allow(reply, origin);
}

function allow(reply: FastifyReply, origin: string): void {
  reply
    .header('vary', 'Origin')
    .header('access-control-allow-origin', origin)
    .header('access-control-expose-headers', exposed);
}

/**
 * Lets a page read why it was refused before its key, hence its site, was known: an unknown key, a body too large.
 * As with preflights, some site here must allow the origin. A 403 stays unread: it may be about the origin itself.
 */
export function showRefusals(app: FastifyInstance): void {
  app.addHook('onSend', (request, reply, _payload, done) => {
    const { origin } = request.headers;
    const isUntold = origin !== undefined && !reply.hasHeader('access-control-allow-origin');
    if (
      isUntold &&
      reply.statusCode >= 400 &&
      reply.statusCode !== 403 &&
      app.keys.isOriginOfAnySite(origin)
    ) {
      allow(reply, origin);
    }
    done();
  });
}

/** Answers preflights of `url`. They carry no key, so they learn only whether any site here allows the origin. */
export function answerPreflights(
  app: FastifyInstance,
  url: string,
  { methods, headers }: { methods: string; headers: string },
): void {
  app.options(url, { schema: { hide: true } }, async (request, reply) => {
    const { origin } = request.headers;
    reply.header('vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers');
    if (origin === undefined || !app.keys.isOriginOfAnySite(origin)) {
      throw new Problem(
        'origin-not-allowed',
        'No site here allows this origin: add it to the allowed origins of yours.',
      );
    }
    return await reply
      .code(204)
      .headers({
        'access-control-allow-origin': origin,
        'access-control-allow-methods': methods,
        'access-control-allow-headers': headers,
        'access-control-max-age': '86400',
      })
      .send();
  });
}
