import { batchSchema, type UnjudgedBatch } from '@milepost/shared';
import { Ajv } from 'ajv';
import { z } from 'zod';
import { Problem } from '../problems.ts';

const isBatch = new Ajv({ strict: false }).compile<UnjudgedBatch>(
  z.toJSONSchema(batchSchema, { io: 'input', target: 'draft-7', unrepresentable: 'any' }),
);

/** What the JSON of a body says; throws the problem that tells the client what a body must be. */
export function parseJson(json: Buffer): unknown {
  if (json.length === 0) {
    throw new Problem(
      'malformed-json',
      'The body is empty: send { "sent_at": …, "batch": [touchpoint, …] } as JSON.',
    );
  }
  try {
    return JSON.parse(json.toString());
  } catch {
    // V8's message quotes the input, so it stays here.
    throw new Problem(
      'malformed-json',
      'The body cannot be read as JSON: send one JSON document in UTF-8, plain or gzipped.',
    );
  }
}

/** The batch in a body whose events nobody has judged yet. */
export function batchOf(body: unknown, { maxEvents }: { maxEvents: number }): UnjudgedBatch {
  if (!isBatch(body)) {
    const error = isBatch.errors?.[0];
    const where = error?.instancePath || 'the body';
    const what =
      error?.keyword === 'required'
        ? 'lacks `batch`, the list of touchpoints'
        : (error?.message ?? 'is wrong');
    throw new Problem(
      'malformed-batch',
      `Send { "sent_at": …, "batch": [touchpoint, …] }: ${where} ${what}.`,
    );
  }
  if (body.batch.length > maxEvents) {
    throw new Problem(
      'batch-too-large',
      `A batch may hold ${maxEvents} events, this one has ${body.batch.length}: send it in parts.`,
    );
  }
  return body;
}
