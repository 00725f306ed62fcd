import { createHash } from 'node:crypto';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';

const description = `Milepost follows every person through the stages of the customer journey.

**Keys.** Send a secret key (\`sk_…\`) as \`Authorization: Bearer\`, from a server: never from a page. It opens one site, and of that what its scopes name.

**Pages.** A list answers \`next_cursor\`; send it back as \`cursor\` with the same filters, until it is null. The \`Link\` header carries the same as an address. Cursors do not expire.

**CSV.** Every list answers CSV to \`Accept: text/csv\`.

**Values.** Instants are ISO 8601 in UTC; money is a decimal as text, beside its currency; names are those of the SQL views in schema \`journey\`.

**Errors** are problems (RFC 9457) with a stable \`type\`.`;

/** Collects the routes registered after it, and serves them described: `/openapi.json` for machines, `/docs` to read. */
export async function registerDocuments(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.1',
      info: {
        title: 'Milepost',
        version: '1',
        description,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: [
        { name: 'Stages', description: 'Who stands where.' },
        { name: 'Persons', description: 'One person at a time.' },
        { name: 'Transitions', description: 'Changes of stage.' },
        { name: 'Carts', description: 'Carts and what became of them.' },
        { name: 'Orders', description: 'Orders and refunds.' },
      ],
      components: {
        securitySchemes: {
          secretKey: { type: 'http', scheme: 'bearer', description: 'A secret key of the site, `sk_…`.' },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });

  let rendered: { text: string; tag: string } | undefined;
  app.get('/openapi.json', { schema: { hide: true } }, async (request, reply) => {
    if (rendered === undefined) {
      const text = JSON.stringify(app.swagger());
      rendered = { text, tag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"` };
    }
    void reply
      .header('etag', rendered.tag)
      .header('cache-control', 'no-cache')
      .header('access-control-allow-origin', '*');
    if (request.headers['if-none-match'] === rendered.tag) return reply.code(304).send();
    return reply.type('application/json; charset=utf-8').send(rendered.text);
  });

  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP:
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    theme: { title: 'Milepost API' },
    uiConfig: {
      docExpansion: 'list',
      defaultModelsExpandDepth: -1,
      tryItOutEnabled: true,
      validatorUrl: null,
    },
  });
}
