import { batchAnswerSchema, batchSchema, touchpointSchema } from '@milepost/shared';
import type { OpenAPIV3, OpenAPIV3_1 } from 'openapi-types';
import { z } from 'zod';
import type { ProblemType } from '../problems.ts';
import { problemResponses } from './problem-schema.ts';

// Ingest judges by compiled schemas of its own and takes many content types, so its routes are described by hand.

const touchpoint = {
  id: '0199a5d2-7c00-7000-8000-000000000001',
  name: 'add_to_cart',
  anonymous_id: 'visitor-1',
  occurred_at: '2026-11-20T09:30:00.000Z',
  properties: {
    currency: 'EUR',
    value: 59.9,
    items: [{ item_id: 'boots-42', price: 59.9, quantity: 1 }],
  },
};

const batch = z.object({ ...batchSchema.shape, batch: z.array(touchpointSchema) });

const problems: ProblemType[] = [
  'malformed-json',
  'malformed-batch',
  'malformed-gzip',
  'keys-disagree',
  'missing-key',
  'unknown-key',
  'origin-not-allowed',
  'secret-key-exposed',
  'missing-scope',
  'body-too-large',
  'batch-too-large',
  'unsupported-encoding',
  'rate-limited',
  'buffer-full',
  'buffer-unavailable',
  'keys-unavailable',
];

/** `POST /v1/events` for OpenAPI. */
export const ingestPaths: OpenAPIV3_1.PathsObject = {
  '/v1/events': {
    post: {
      operationId: 'sendTouchpoints',
      tags: ['Ingestion'],
      summary: 'Send touchpoints',
      description:
        'A batch of up to 500 touchpoints and 1 MiB; gzip is welcome. Each is judged alone, and the answer comes when the accepted ones are durable: what was answered is not lost. Sending the same id again, by any route at any time, changes nothing. The key may also stand in the body (`write_key`), in `?k=`, or as the user name of HTTP Basic; the content type is not looked at.',
      security: [{ writeKey: [] }, { secretKey: [] }],
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: jsonSchemaOf(batch, 'input'),
            example: { sent_at: '2026-11-20T09:30:01.000Z', batch: [touchpoint] },
          },
        },
      },
      responses: {
        200: {
          description: 'What became of each touchpoint, in the order of the batch.',
          content: {
            'application/json': {
              schema: jsonSchemaOf(batchAnswerSchema, 'output'),
              example: { results: [{ id: touchpoint.id, status: 'accepted' }] },
            },
          },
        },
        ...problemResponses(problems),
      },
    },
  },
};

// the package types a 3.1 media type's schema as one of 3.0
type MediaSchema = OpenAPIV3.NonArraySchemaObject;

function jsonSchemaOf(schema: z.ZodObject, io: 'input' | 'output'): MediaSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest as MediaSchema;
}
