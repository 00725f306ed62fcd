import { judge, maxBatchBytes, maxBatchEvents, maxGzipRatio, readTime } from '@milepost/shared';
import type { FastifyInstance } from 'fastify';
import { BufferFull, type Envelope, type TouchpointBuffer } from '../buffer/buffer.ts';
import type { Metrics } from '../operations/metrics.ts';
import type { Key } from '../plugins/keys.ts';
import { Problem, problemForNow } from '../problems.ts';
import { answerOf, type Rejection } from './answer.ts';
import { batchOf, parseJson } from './batch.ts';
import { jsonOf } from './body.ts';
import { answerPreflights, requireOrigin } from './cors.ts';
import { keyOf, keyTextsIn, keyTextsOf, requireIngest, requireSame } from './key-of.ts';
import type { RateLimit } from './rate-limit.ts';

export type EventsOptions = { buffer: TouchpointBuffer; metrics: Metrics; rateLimit: RateLimit };

const limits = { maxBytes: maxBatchBytes, maxGzipRatio };
// A browser's is a few hundred characters; the flag for bots needs no more.
const maxUserAgentLength = 512;

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

    const admit = async (texts: readonly string[]): Promise<Key> => {
      const key = await keyOf(app, texts);
      requireIngest(key, request);
      requireOrigin(key, request, reply);
      await rateLimit(key, request);
      return key;
    };

    // A key outside the body is looked at first: what it may not send is not unpacked, and even the refusal of a
    // broken body can be read by its page.
    const texts = keyTextsOf(request);
    const early = texts.length > 0 ? await admit(texts) : null;
    const json = await jsonOf(request.body, limits);
    const body = parseJson(json);
    const textsInBody = keyTextsIn(body);
    requireSame([...texts, ...textsInBody]);
    const key = early ?? (await admit(textsInBody));

    const { batch, sent_at: sentAt, context, lost } = batchOf(body, { maxEvents: maxBatchEvents });
    const { siteId, oldestLive, consentRequired, isInternal } = key.site;
    const isTrusted = key.kind === 'secret';
    const options = {
      isTrusted,
      receivedAt,
      sentAt: readTime(sentAt),
      oldestLive,
      consentRequired,
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
      const envelope: Envelope = { siteId, receivedAt, isTrusted, ingestedBy: 'events' };
      const userAgent = request.headers['user-agent'];
      if (userAgent !== undefined) envelope.userAgent = userAgent.slice(0, maxUserAgentLength);
      // A server's own address says nothing of the visitor's.
      if (!isTrusted && isInternal?.(request.ip)) envelope.isInternal = true;
      if (rejectedCount > 0) envelope.rejected = rejected;
      await append(buffer, envelope, json);
    }
    metrics.accepted.inc(batch.length - rejectedCount);
    for (const { reason } of Object.values(rejected)) metrics.rejected.inc({ reason });
    return await reply
      .header('content-type', 'application/json; charset=utf-8')
      .send(answerOf(batch, rejected));
  });
}

async function append(buffer: TouchpointBuffer, envelope: Envelope, json: Buffer): Promise<void> {
  try {
    await buffer.append(envelope, json);
  } catch (error) {
    if (error instanceof BufferFull) {
      throw problemForNow(
        'buffer-full',
        'Nothing of this request was kept; keep it and send it again later.',
        10,
      );
    }
    throw problemForNow(
      'buffer-unavailable',
      'Nothing of this request was kept; keep it and send it again later.',
      5,
    );
  }
}
