import { touchpointTypes } from '@milepost/shared';
import type { OpenAPIV3, OpenAPIV3_1 } from 'openapi-types';
import type { ProblemType } from '../problems.ts';
import { settingsOf } from '../ingest/segment/settings.ts';
import { problemResponses } from './problem-schema.ts';

// The shapes are Segment's own; what they become is in docs/segment.md.

type Schema = OpenAPIV3.NonArraySchemaObject;

const free: Schema = { type: 'object', additionalProperties: true };
const text: Schema = { type: 'string' };
const time: Schema = { type: 'string', format: 'date-time' };

const call: Schema = {
  type: 'object',
  description: 'A call as Segment documents it. One of anonymousId and userId is needed.',
  properties: {
    type: {
      type: 'string',
      enum: [...touchpointTypes],
      description: 'In batches; a route of its own says it.',
    },
    messageId: { ...text, maxLength: 100, description: 'Sent again with the same id it is the same call.' },
    anonymousId: text,
    userId: text,
    event: { ...text, description: 'Of a track.' },
    name: { ...text, description: 'Of a page or screen.' },
    groupId: { ...text, description: 'Of a group.' },
    previousId: { ...text, description: 'Of an alias.' },
    properties: free,
    traits: free,
    context: free,
    timestamp: { ...time, description: 'When it happened. Default: originalTimestamp, else now.' },
    originalTimestamp: time,
    sentAt: { ...time, description: 'The clock of the client when it sent.' },
    channel: { type: 'string', enum: ['web', 'browser', 'mobile', 'server'] },
    integrations: { ...free, description: 'Not looked at.' },
    writeKey: text,
  },
};

const answer: Schema = {
  type: 'object',
  properties: {
    success: { type: 'boolean' },
    rejected: {
      type: 'array',
      description: 'Calls that were not accepted; absent where all were.',
      items: {
        type: 'object',
        properties: { index: { type: 'integer' }, id: text, reason: text, detail: text },
        required: ['index', 'reason'],
      },
    },
  },
  required: ['success'],
};

const keyProblems: ProblemType[] = [
  'missing-key',
  'unknown-key',
  'keys-disagree',
  'origin-not-allowed',
  'secret-key-exposed',
  'rate-limited',
  'keys-unavailable',
];
const problems: ProblemType[] = [
  ...keyProblems,
  'malformed-json',
  'malformed-batch',
  'malformed-gzip',
  'missing-scope',
  'body-too-large',
  'batch-too-large',
  'unsupported-encoding',
  'buffer-full',
  'buffer-unavailable',
];

const example = {
  type: 'track',
  messageId: 'order-o-2001',
  userId: 'ada',
  event: 'Order Completed',
  properties: { order_id: 'o-2001', revenue: 59.9, currency: 'EUR' },
  timestamp: '2026-11-20T09:30:00.000Z',
};

function post(about: {
  operationId: string;
  summary: string;
  description: string;
  schema: Schema;
  example: object;
}): OpenAPIV3_1.PathItemObject {
  const { operationId, summary, description } = about;
  return {
    post: {
      operationId,
      tags: ['Segment'],
      summary,
      description,
      security: [{ writeKey: [] }, { basic: [] }, { secretKey: [] }],
      requestBody: {
        required: true,
        content: { 'application/json': { schema: about.schema, example: about.example } },
      },
      responses: {
        200: {
          description: 'The accepted calls are durable.',
          content: { 'application/json': { schema: answer, example: { success: true } } },
        },
        ...problemResponses(problems),
      },
    },
  };
}

const calls = touchpointTypes.map((type) => [
  `/v1/${type}`,
  post({
    operationId: `segment${type[0]!.toUpperCase()}${type.slice(1)}`,
    summary: `One call: ${type}`,
    description: `Segment’s \`${type}\`; \`/v1/${type[0]}\` is the same.`,
    schema: call,
    example: { ...example, type },
  }),
]);

/** Segment's HTTP API for OpenAPI. */
export const segmentPaths: OpenAPIV3_1.PathsObject = {
  '/v1/batch': post({
    operationId: 'segmentBatch',
    summary: 'Several calls of Segment’s API',
    description:
      'Segment’s and RudderStack’s libraries work unchanged with the address of a collector as their host. Up to 2,500 calls and 4 MiB, gzip whatever the label says; each is judged alone. The answer is Segment’s, and names the rejected ones beside it. `/v1/b` and RudderStack’s `/beacon/v1/batch` are the same.',
    schema: {
      type: 'object',
      properties: { batch: { type: 'array', items: call }, context: free, sentAt: time, writeKey: text },
      required: ['batch'],
    },
    example: { batch: [example], sentAt: '2026-11-20T09:30:01.000Z' },
  }),
  ...(Object.fromEntries(calls) as OpenAPIV3_1.PathsObject),
  '/v1/projects/{writeKey}/settings': {
    get: {
      operationId: 'segmentSettings',
      tags: ['Segment'],
      summary: 'What analytics.js asks first',
      description: 'Where to send to, for Segment’s browser library with the collector as its `cdnURL`.',
      security: [],
      parameters: [
        { name: 'writeKey', in: 'path', required: true, description: 'A write key.', schema: text },
      ],
      responses: {
        200: {
          description: 'One destination: this collector.',
          content: {
            'application/json': {
              schema: free,
              example: settingsOf('wk_…', { protocol: 'https', host: 'data.shop.example' }),
            },
          },
        },
        ...problemResponses(keyProblems),
      },
    },
  },
};
