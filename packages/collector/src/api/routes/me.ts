import type { FastifyInstance, FastifyRequest } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { maxValueLength } from '@milepost/shared';
import { z } from 'zod';
import { answerPreflights, requireOrigin, showRefusals } from '../../ingest/cors.ts';
import { keyOf, keyTextsOf } from '../../ingest/key-of.ts';
import { rateLimitOf } from '../../ingest/rate-limit.ts';
import type { Key } from '../../plugins/keys.ts';
import { Problem } from '../../problems.ts';
import { meOf } from '../me.ts';
import { jsonAnswer, queryOf } from '../route.ts';
import type { ApiOptions } from '../route.ts';
import { meSchema } from '../schemas.ts';

const url = '/v1/me';

const headers = z.looseObject({
  'x-milepost-visitor': z
    .string()
    .min(1)
    .max(maxValueLength)
    .meta({ description: 'The anonymous id of the browser.', examples: ['browser-3'] }),
  'x-milepost-user-proof': z.string().optional().meta({
    description:
      'For a browser whose person has a user id: hex HMAC-SHA-256 of that user id by the site’s identity secret, made by the site’s server.',
  }),
});

/**
 * `/v1/me`: what a visitor may know of themselves. The only route that pages read from, so keys, origins and rate limit
 * are those of ingest.
 */
export async function meRoutes(app: FastifyInstance, { pool, rateLimit }: ApiOptions): Promise<void> {
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setSchemaErrorFormatter((_errors, where) =>
    where === 'headers'
      ? new Problem(
          'invalid-visitor',
          `Send the anonymous id of the browser in the header X-Milepost-Visitor, at most ${maxValueLength} characters.`,
        )
      : new Problem('invalid-query', 'The query may hold the write key as `k`, and nothing else.'),
  );
  showRefusals(app);
  answerPreflights(app, url, {
    methods: 'GET',
    headers: 'Authorization, X-Milepost-Visitor, X-Milepost-User-Proof',
  });
  const limit = await rateLimitOf(app, { requestsAMinute: rateLimit });
  app.decorateRequest('siteId', 0);

  app.withTypeProvider<ZodTypeProvider>().route({
    method: 'GET',
    url,
    schema: {
      operationId: 'readMe',
      tags: ['Personalising'],
      summary: 'The visitor’s own stage',
      description:
        'What a page may know of the visitor before it, for dynamic content: stage, public segments and experiment variants. Answers for the person whom the anonymous id speaks for now. While that person has a user id, anybody could have said so, and stage and segments are told only with the proof of that user id; without it the answer is that of an unknown visitor. The key may also stand in `?k=`; pages of the site’s allowed origins may ask. A secret key needs the scope `read:persons`, and the proof no less.',
      security: [{ writeKey: [] }],
      problems: [
        'missing-key',
        'unknown-key',
        'keys-disagree',
        'origin-not-allowed',
        'secret-key-exposed',
        'missing-scope',
        'invalid-visitor',
        'invalid-query',
        'rate-limited',
        'keys-unavailable',
        'database-unavailable',
      ],
      headers,
      querystring: queryOf({
        k: z.string().optional().meta({ description: 'The write key, where no header can hold it.' }),
      }),
      response: { 200: jsonAnswer(meSchema, 'What the visitor may know.') },
    },
    onRequest: async (request, reply) => {
      void reply.header('cache-control', 'private, no-store');
      const key = await keyOf(app, keyTextsOf(request));
      requireReader(key, request);
      requireOrigin(key, request, reply);
      await limit(key, request);
      request.siteId = key.site.siteId;
    },
    handler: (request) =>
      meOf(pool, {
        siteId: request.siteId,
        visitorId: request.headers['x-milepost-visitor'],
        proof: request.headers['x-milepost-user-proof'],
      }),
  });
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on `/v1/me`: the site of the key. */
    siteId: number;
  }
}

function requireReader(key: Key, request: FastifyRequest): void {
  if (key.kind !== 'secret') return;
  if (request.headers.origin !== undefined) {
    throw new Problem(
      'secret-key-exposed',
      'The request came from a web page (it has an Origin header), whose visitors can read the secret key: revoke it, and give pages a write key.',
    );
  }
  if (!key.scopes.has('read:persons')) {
    throw new Problem('missing-scope', 'The secret key lacks the scope read:persons: make one that has it.');
  }
}
