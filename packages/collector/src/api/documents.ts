import { createHash } from 'node:crypto';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifySchema } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { OpenAPIV3_1 } from 'openapi-types';
import { examples } from './examples.ts';
import { ingestPaths } from './ingest-paths.ts';
import { linkPaths } from './link-paths.ts';
import { problemResponses, problemSchema } from './problem-schema.ts';
import { importPaths } from './routes/import.ts';
import { ratePaths } from './routes/rates.ts';
import { scopes } from './scopes.ts';
import { segmentPaths } from './segment-paths.ts';

const description = `Milepost follows every person through the stages of the customer journey.

**Keys.** Touchpoints are sent with a write key (\`wk_…\`), which is public: it adds, and reads back what a visitor may know of themselves. Everything else takes a secret key (\`sk_…\`) as \`Authorization: Bearer\`, from a server, never from a page. A key opens one site; a secret key opens what its scopes name:

${Object.entries(scopes)
  .map(([scope, meaning]) => `- \`${scope}\`: ${meaning}`)
  .join('\n')}

**Pages.** A list answers \`next_cursor\`; send it back as \`cursor\` with the same filters, until it is null (the change feed's never is). The \`Link\` header carries the same as an address. Cursors do not expire.

**CSV.** Every list answers CSV to \`Accept: text/csv\`.

**Values.** Instants are ISO 8601 in UTC; money is a decimal as text, beside its currency; names are those of the SQL views in schema \`journey\`.

**Errors** are problems (RFC 9457) with a stable \`type\`, each explained in \`docs/problems.md\`.`;

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
      servers: [{ url: '/' }],
      tags: [
        { name: 'Stages', description: 'Who stands where.' },
        { name: 'Persons', description: 'One person at a time.' },
        { name: 'Accounts', description: 'The organisations that persons belong to.' },
        { name: 'Transitions', description: 'Changes of stage.' },
        { name: 'Carts', description: 'Carts and what became of them.' },
        { name: 'Orders', description: 'Orders and refunds.' },
        { name: 'Changes', description: 'What changed, once and in order, as it happens.' },
        { name: 'Webhooks', description: 'Who is told of what changes, and what they were told.' },
        { name: 'Rates', description: 'What amounts in other currencies come to.' },
        { name: 'Links', description: 'Opens and clicks of e-mails.' },
        { name: 'Settings', description: 'What a site is set to.' },
        { name: 'Personalising', description: 'What a visitor may know of themselves.' },
        { name: 'Segment', description: 'Segment’s HTTP API, for libraries that are there already.' },
        { name: 'Rejected', description: 'Events that were not stored.' },
        { name: 'Ingestion', description: 'How touchpoints come in.' },
      ],
      paths: { ...ingestPaths, ...segmentPaths, ...importPaths, ...linkPaths, ...ratePaths },
      components: {
        schemas: { Problem: problemSchema },
        securitySchemes: {
          secretKey: { type: 'http', scheme: 'bearer', description: 'A secret key of the site, `sk_…`.' },
          basic: {
            type: 'http',
            scheme: 'basic',
            description: 'A key as the user name, without a password.',
          },
          writeKey: { type: 'http', scheme: 'bearer', description: 'A write key of the site, `wk_…`.' },
        },
      },
    },
    transform: described,
    transformObject: (document) => tidied(jsonSchemaTransformObject(document)),
  });

  let rendered: { text: string; tag: string } | undefined;
  app.get('/openapi.json', { schema: { hide: true } }, async (request, reply) => {
    if (rendered === undefined) {
      const text = JSON.stringify(app.swagger());
      const tag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
      rendered = { text, tag };
    }
    void reply.headers({
      etag: rendered.tag,
      'cache-control': 'no-cache',
      'access-control-allow-origin': '*',
    });
    if (request.headers['if-none-match'] === rendered.tag) return reply.code(304).send();
    return reply.type('application/json; charset=utf-8').send(rendered.text);
  });

  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP:
      "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    theme: { title: 'Milepost API', css: [{ filename: 'bare.css', content: '.topbar { display: none }' }] },
    uiConfig: { docExpansion: 'list', defaultModelsExpandDepth: -1, tryItOutEnabled: true },
  });
}

/** The schemas of a route as JSON Schema, with its problems and the example of its answer. */
const described: typeof jsonSchemaTransform = (document) => {
  const result = jsonSchemaTransform(document);
  const { problems, ...schema } = result.schema as FastifySchema & {
    response?: Record<string, ResponseObject>;
  };
  if (problems === undefined) return result;
  const { response = {} } = schema;
  const content = (response['200'] ?? response['201'] ?? response['202'])?.content;
  const media = content?.['application/json'] ?? content?.['text/event-stream'];
  const example = examples[schema.operationId ?? ''];
  if (media !== undefined && example !== undefined) media.example = example;
  return {
    ...result,
    schema: { ...schema, response: { ...schema.response, ...problemResponses(problems) } },
  };
};

type ResponseObject = OpenAPIV3_1.ResponseObject;
type Document = ReturnType<typeof jsonSchemaTransformObject>;

/** Takes out what the generator adds and no reader needs: schemas nobody refers to, and the long pattern of an instant. */
function tidied(document: Document): Document {
  const copy = JSON.parse(
    JSON.stringify(document, (key, value: unknown) => {
      if (key === 'propertyNames') return undefined;
      // answers may grow: a client must not refuse a field it does not know
      if (key === 'additionalProperties' && value === false) return undefined;
      if (isObject(value) && value.format === 'date-time') return { ...value, pattern: undefined };
      return value;
    }),
  ) as Document & { components?: { schemas?: Record<string, unknown> } };
  const schemas = copy.components?.schemas ?? {};
  for (let isChanged = true; isChanged;) {
    const text = JSON.stringify(copy);
    const unused = Object.keys(schemas).filter((name) => !text.includes(`"#/components/schemas/${name}"`));
    for (const name of unused) delete schemas[name];
    isChanged = unused.length > 0;
  }
  return copy;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
