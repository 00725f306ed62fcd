import type { OpenAPIV3, OpenAPIV3_1 } from 'openapi-types';
import { jsonOf } from '../../ingest/body.ts';
import { Problem, type ProblemType } from '../../problems.ts';
import { importRates } from '../../rates/import.ts';
import { readRates, UnreadableRates, type RateTable } from '../../rates/read.ts';
import { problemResponses } from '../problem-schema.ts';
import type { ApiInstance, ApiOptions } from '../route.ts';

// Twice what the ECB has published since 1999.
const limits = { maxBytes: 4 * 1024 * 1024, maxGzipRatio: 100 };

/** Exchange rates come in: `POST /v1/rates`. */
export async function rateRoutes(app: ApiInstance, { pool }: ApiOptions): Promise<void> {
  await app.register(async (routes) => {
    // JSON or CSV, told by the text itself
    routes.removeAllContentTypeParsers();
    routes.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    routes.route({
      method: 'POST',
      url: '/v1/rates',
      bodyLimit: limits.maxBytes,
      config: { scope: 'write:rates' },
      schema: { hide: true },
      handler: async (request) => {
        const text = jsonOf(request.body, limits).toString();
        return importRates(pool, { siteId: request.access.siteId, table: tableIn(text) });
      },
    });
  });
}

function tableIn(text: string): RateTable {
  try {
    return readRates(text);
  } catch (error) {
    if (error instanceof UnreadableRates) throw new Problem('invalid-rates', error.message);
    throw error;
  }
}

const problems: ProblemType[] = [
  'invalid-rates',
  'malformed-gzip',
  'missing-key',
  'unknown-key',
  'secret-key-required',
  'secret-key-exposed',
  'missing-scope',
  'body-too-large',
  'keys-unavailable',
  'database-unavailable',
];

// the package types a 3.1 media type's schema as one of 3.0
type Schema = OpenAPIV3.NonArraySchemaObject;

const day: Schema = { type: 'string', format: 'date' };
const rate: Schema = {
  oneOf: [{ type: 'number' }, { type: 'string' }],
  description: 'How much of the currency one unit of the base is worth.',
};
const currency: Schema = { type: 'string', pattern: '^[A-Za-z]{3}$', description: 'ISO 4217.' };

/** `POST /v1/rates` for OpenAPI, described by hand because it takes several content types. */
export const ratePaths: OpenAPIV3_1.PathsObject = {
  '/v1/rates': {
    post: {
      operationId: 'importRates',
      tags: ['Rates'],
      summary: 'Import exchange rates',
      description:
        'Rates of whole days: what the site had for these days is replaced. JSON or CSV, told by the text itself; gzip is welcome; up to 4 MiB. CSV is what the ECB publishes (`eurofxref.csv`, `eurofxref-hist.csv`, its Data Portal), or has the columns day, currency, rate and perhaps base. The base is EUR unless it is named. All is taken or nothing. Amounts of orders and carts that another rate applies to follow within moments.\n\nScope: `write:rates`.',
      security: [{ secretKey: [] }],
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: {
              type: 'object',
              properties: {
                base: { ...currency, description: 'What the rates are about. Default: EUR.' },
                rates: {
                  type: 'array',
                  items: {
                    type: 'object',
                    properties: { day, currency, rate },
                    required: ['day', 'currency', 'rate'],
                  },
                },
              },
              required: ['rates'],
            },
            example: { rates: [{ day: '2024-01-02', currency: 'USD', rate: 1.0956 }] },
          },
          'text/csv': {
            schema: { type: 'string' },
            example: 'Date,USD,JPY,GBP,\n2024-01-02,1.0956,155.68,0.86645,\n',
          },
        },
      },
      responses: {
        200: {
          description: 'How much was taken.',
          content: {
            'application/json': {
              schema: {
                type: 'object',
                properties: {
                  days: { type: 'integer', description: 'Days in it.' },
                  rates: { type: 'integer', description: 'Rates in it.' },
                  changed_days: {
                    type: 'integer',
                    description: 'Days whose rates are others than before.',
                  },
                },
                required: ['days', 'rates', 'changed_days'],
              },
              example: { days: 1, rates: 1, changed_days: 1 },
            },
          },
        },
        ...problemResponses(problems),
      },
    },
  },
};
