import { judge, maxGzipRatio, maxSegmentBatchBytes, maxSegmentBatchEvents, readTime } from '@milepost/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import type { Envelope, TouchpointBuffer } from '../../buffer/buffer.ts';
import type { Metrics } from '../../operations/metrics.ts';
import type { Key } from '../../plugins/keys.ts';
import { Problem } from '../../problems.ts';
import { admitted, append, requireRoom, senderOf } from '../admission.ts';
import type { Rejection } from '../answer.ts';
import { parseJson } from '../batch.ts';
import { jsonOf } from '../body.ts';
import { answerPreflights } from '../cors.ts';
import { keyOf, keyTextsIn, keyTextsOf, requireSame } from '../key-of.ts';
import type { RateLimit } from '../rate-limit.ts';
import { answerOf, inTheirWords } from './answer.ts';
import { callsOf, type Fields, isFields, lacksId, type SegmentCall, segmentRoutes } from './calls.ts';
import { sentAtOf, touchpointOf } from './touchpoint.ts';

export type SegmentOptions = { buffer: TouchpointBuffer; metrics: Metrics; rateLimit: RateLimit };

const limits = { maxBytes: maxSegmentBatchBytes, maxGzipRatio };

/** What Segment's and RudderStack's libraries send beside the usual; `*` is for those they will think of. */
const headers =
  'Authorization, Content-Type, Content-Encoding, AnonymousId, SentAt, X-Retry-Count, X-Requested-With, *';

/** Segment's HTTP API: its calls one at a time, in batches, and RudderStack's beacon. */
export async function segment(app: FastifyInstance, options: SegmentOptions): Promise<void> {
  for (const [route, call] of Object.entries(segmentRoutes)) take(app, `/v1/${route}`, call, options);
  take(app, '/beacon/v1/batch', 'batch', options);
}

function take(app: FastifyInstance, url: string, call: SegmentCall, options: SegmentOptions): void {
  answerPreflights(app, url, { methods: 'POST', headers });
  app.route({
    method: ['GET', 'PUT', 'PATCH', 'DELETE'],
    url,
    handler: () => {
      throw new Problem('method-not-allowed', 'Calls are sent with POST.', {
        headers: { allow: 'POST, OPTIONS' },
      });
    },
  });
  app.post(url, { bodyLimit: maxSegmentBatchBytes }, (request, reply) =>
    receive(call, { ...options, app, request, reply }),
  );
}

type Receiving = SegmentOptions & { app: FastifyInstance; request: FastifyRequest; reply: FastifyReply };

/** Judges each call alone, and answers after all that is to be kept is durable. */
async function receive(call: SegmentCall, receiving: Receiving): Promise<FastifyReply> {
  const { app, request, reply, buffer, metrics } = receiving;
  const receivedAt = Date.now();
  const texts = keyTextsOf(request);
  // As in `/v1/events`: who may not send here is refused before anything is unpacked.
  const early = texts.length > 0 ? await admitted(texts, receiving) : null;
  const json = jsonOf(request.body, limits);
  requireRoom(buffer, json.length); // before it is read, which takes many times its memory
  const body = parseJson(json);
  const key = early ?? (await admitted(keyTextsIn(body), receiving));
  if (early) await requireSameSite(app, early, { texts, inBody: keyTextsIn(body) });
  requireCalls(body, call);

  const batch = callsOf(body, call);
  const { siteId, oldestLive, retainedFrom, consentRequired, worthlessIds } = key.site;
  const isTrusted = key.kind === 'secret';
  const fallbackId = batch.calls.some(lacksId) ? `${receivedAt}-${randomUUID()}` : undefined;
  const rejected: Record<number, Rejection> = {};
  let rejectedCount = 0;
  for (const [index, given] of batch.calls.entries()) {
    const touchpoint = touchpointOf(given, { call, index, receivedAt, fallbackId, batch });
    const verdict = judge(touchpoint, {
      isTrusted,
      receivedAt,
      sentAt: readTime(sentAtOf(given, batch)),
      oldestLive,
      retainedFrom,
      consentRequired,
      worthlessIds,
      bodyBytes: json.length,
    });
    if (verdict.ok) continue;
    rejected[index] = inTheirWords(verdict);
    rejectedCount += 1;
  }

  if (batch.calls.length > 0) {
    const envelope: Envelope = {
      siteId,
      receivedAt,
      isTrusted,
      ingestedBy: 'segment',
      segment: { call, ...(fallbackId !== undefined && { fallbackId }) },
      ...senderOf({ isTrusted, site: key.site }, request),
    };
    if (rejectedCount > 0) envelope.rejected = rejected;
    await append(buffer, envelope, { bytes: json, json: body });
  }
  metrics.accepted.inc(batch.calls.length - rejectedCount);
  for (const { reason } of Object.values(rejected)) metrics.rejected.inc({ reason });
  return reply
    .header('content-type', 'application/json; charset=utf-8')
    .send(answerOf(batch.calls, rejected));
}

/**
 * Throws where the keys of a request disagree. Libraries always write a write key into the body; a server may send its
 * secret key beside that, in a header, as with Segment's OAuth.
 */
async function requireSameSite(
  app: FastifyInstance,
  key: Key,
  { texts, inBody }: { texts: readonly string[]; inBody: readonly string[] },
): Promise<void> {
  if (key.kind === 'secret' && inBody.length > 0) {
    const other = await keyOf(app, inBody);
    if (other.site.siteId === key.site.siteId) return;
  }
  requireSame([...texts, ...inBody]);
}

function requireCalls(body: unknown, call: SegmentCall): asserts body is Fields {
  if (!isFields(body)) {
    throw new Problem(
      'malformed-batch',
      call === 'batch'
        ? 'Send { "batch": [call, …], "sentAt": … }.'
        : 'Send one call as a JSON object; several go to /v1/batch.',
    );
  }
  if (call !== 'batch') return;
  const { batch } = body;
  if (!Array.isArray(batch)) {
    throw new Problem(
      'malformed-batch',
      'Send { "batch": [call, …], "sentAt": … }: `batch`, the list of calls, is missing.',
    );
  }
  if (batch.length > maxSegmentBatchEvents) {
    throw new Problem(
      'batch-too-large',
      `A batch may hold ${maxSegmentBatchEvents} calls, this one has ${batch.length}: send it in parts.`,
    );
  }
}
