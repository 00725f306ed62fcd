import { judge, maxBatchBytes, maxBatchEvents, maxGzipRatio, readTime } from '@milepost/shared';
import type { FastifyInstance } from 'fastify';
import type { Envelope, TouchpointBuffer } from '../buffer/buffer.ts';
import type { Metrics } from '../operations/metrics.ts';
import { Problem } from '../problems.ts';
import { admitted, append, requireRoom, senderOf } from './admission.ts';
import { answerOf, type Rejection } from './answer.ts';
import { batchOf, parseJson } from './batch.ts';
import { jsonOf } from './body.ts';
import { answerPreflights } from './cors.ts';
import { keyTextsIn, keyTextsOf, requireSame } from './key-of.ts';
import type { RateLimit } from './rate-limit.ts';

export type EventsOptions = { buffer: TouchpointBuffer; metrics: Metrics; rateLimit: RateLimit };

const limits = { maxBytes: maxBatchBytes, maxGzipRatio };

/** `POST /v1/events`: judges each event alone, and answers after all that is to be kept is durable. */
export async function events(
  app: FastifyInstance,
  { buffer, metrics, rateLimit }: EventsOptions,
): Promise<void> {
  answerPreflights(app, '/v1/events', {
    methods: 'POST',
    headers: 'Authorization, Content-Type, Content-Encoding',
  });

  app.route({
    method: ['GET', 'PUT', 'PATCH', 'DELETE'],
    url: '/v1/events',
    handler: () => {
      throw new Problem('method-not-allowed', 'Events are sent with POST.', {
        headers: { allow: 'POST, OPTIONS' },
      });
    },
  });

  app.post('/v1/events', { bodyLimit: maxBatchBytes }, async (request, reply) => {
    const receivedAt = Date.now();
    const admission = { app, request, reply, rateLimit };

    // A key outside the body is looked at first: what it may not send is not unpacked, and even the refusal of a
    // broken body can be read by its page.
    const texts = keyTextsOf(request);
    const early = texts.length > 0 ? await admitted(texts, admission) : null;
    const json = jsonOf(request.body, limits);
    requireRoom(buffer, json.length); // before it is read, which takes many times its memory
    const body = parseJson(json);
    const textsInBody = keyTextsIn(body);
    requireSame([...texts, ...textsInBody]);
    const key = early ?? (await admitted(textsInBody, admission));

    const { batch, sent_at: sentAt, context, lost } = batchOf(body, { maxEvents: maxBatchEvents });
    const { siteId, oldestLive, retainedFrom, consentRequired, worthlessIds } = key.site;
    const isTrusted = key.kind === 'secret';
    const options = {
      isTrusted,
      receivedAt,
      sentAt: readTime(sentAt),
      oldestLive,
      retainedFrom,
      consentRequired,
      worthlessIds,
      sharedContext: context,
      bodyBytes: json.length,
    };
    const rejected: Record<number, Rejection> = {};
    let rejectedCount = 0;
    for (let index = 0; index < batch.length; index += 1) {
      const verdict = judge(batch[index], options);
      if (verdict.ok) continue;
      rejected[index] = { reason: verdict.reason, detail: verdict.detail };
      rejectedCount += 1;
    }

    if (batch.length > 0 || lost !== undefined) {
      const envelope: Envelope = {
        siteId,
        receivedAt,
        isTrusted,
        ingestedBy: 'events',
        ...senderOf({ isTrusted, site: key.site }, request),
      };
      if (rejectedCount > 0) envelope.rejected = rejected;
      await append(buffer, envelope, { bytes: json, json: body });
    }
    metrics.accepted.inc(batch.length - rejectedCount);
    for (const { reason } of Object.values(rejected)) metrics.rejected.inc({ reason });
    return await reply
      .header('content-type', 'application/json; charset=utf-8')
      .send(answerOf(batch, rejected));
  });
}
