import { judge } from '@milepost/shared';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Envelope, TouchpointBuffer } from '../../buffer/buffer.ts';
import type { Metrics } from '../../operations/metrics.ts';
import { Problem, problemForNow } from '../../problems.ts';
import { append, senderOf } from '../admission.ts';
import type { Rejection } from '../answer.ts';
import type { RateLimit } from '../rate-limit.ts';
import { pagePolicy, problemPage } from './page.ts';
import { type Link, readToken, type ReadToken } from './token.ts';
import { type LinkEvent, openOf, touchpointOf } from './touchpoint.ts';

type Way = 'pixel' | 'click';

export type LinkOptions = { buffer: TouchpointBuffer; metrics: Metrics; rateLimit: RateLimit };

// One transparent point.
const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');

const uncached = { 'cache-control': 'private, no-store', 'x-robots-tag': 'noindex' };

/** The pixel and the counted redirect of e-mails. HEAD, by which mail servers look ahead, counts as nothing. */
export async function links(
  app: FastifyInstance,
  { buffer, metrics, rateLimit }: LinkOptions,
): Promise<void> {
  const secretOf = (siteId: number) => app.keys.siteOf(siteId)?.linkSecret;
  const read = (request: FastifyRequest): ReadToken =>
    readToken((request.query as { t?: unknown }).t, { secretOf, now: Date.now() });

  /** Makes what happened durable. Whoever opens a mail is not to suffer where that fails; it is told in the figures. */
  async function record(request: FastifyRequest, way: Way, token: ReadToken): Promise<void> {
    if (request.method === 'HEAD') return;
    if (!token.ok && token.reason === 'bad_token') {
      metrics.rejected.inc({ reason: 'bad_token' });
      return;
    }
    try {
      await recordLink(request, way, { link: token.link, isExpired: !token.ok });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      metrics.refused.inc({ type: error.type });
    }
  }

  async function recordLink(
    request: FastifyRequest,
    way: Way,
    { link, isExpired }: { link: Link; isExpired: boolean },
  ): Promise<void> {
    const { siteId } = link;
    const name: LinkEvent = way === 'click' ? 'email_clicked' : openOf(link);
    await rateLimit({ kind: 'write', name: `link ${siteId}` }, request);
    const site = app.keys.siteOf(siteId);
    if (site === undefined) return;
    const receivedAt = Date.now();
    const { userAgent, isInternal } = senderOf({ isTrusted: false, site }, request);
    const touchpoint = touchpointOf(link, { name, now: receivedAt, userAgent });
    const verdict = judge(touchpoint, {
      isTrusted: true,
      receivedAt,
      sentAt: null,
      oldestLive: site.oldestLive,
      retainedFrom: site.retainedFrom,
      consentRequired: site.consentRequired,
      worthlessIds: site.worthlessIds,
    });
    const rejection: Rejection | null = isExpired
      ? { reason: 'expired_token', detail: `expired at ${new Date(link.expiresAt).toISOString()}` }
      : verdict.ok
        ? null
        : { reason: verdict.reason, detail: verdict.detail };
    const envelope: Envelope = {
      siteId,
      receivedAt,
      isTrusted: true,
      ingestedBy: way,
      ...(isInternal && { isInternal }),
      ...(site.worthlessIds !== undefined && { worthlessIds: site.worthlessIds }),
      ...(rejection !== null && { rejected: { 0: rejection } }),
    };
    const json = { batch: [touchpoint] };
    await append(buffer, envelope, { bytes: Buffer.from(JSON.stringify(json)), json });
    if (rejection === null) metrics.accepted.inc();
    else metrics.rejected.inc({ reason: rejection.reason });
  }

  app.get('/v1/pixel.gif', async (request, reply) => {
    await record(request, 'pixel', read(request));
    return reply.headers(uncached).header('content-type', 'image/gif').send(gif);
  });

  app.get('/v1/click', async (request, reply) => {
    const token = read(request);
    await record(request, 'click', token);
    if (token.ok && token.link.target !== null) {
      return reply.headers(uncached).redirect(token.link.target, 302);
    }
    return refuse(request, reply, problemOf(token));
  });

  function problemOf(token: ReadToken): Problem {
    if (!token.ok && token.reason === 'expired_token') {
      return new Problem('expired-link', 'It was good for some time, and that time is over.');
    }
    if (!token.ok && !app.keys.isFresh) {
      return problemForNow('keys-unavailable', 'The link cannot be checked right now: try again shortly.', 5);
    }
    return new Problem(
      'invalid-link',
      'It is incomplete, or it was changed. Look for it in the message again.',
    );
  }

  function refuse(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
    if (!/\btext\/html\b/i.test(request.headers.accept ?? '')) throw problem;
    metrics.refused.inc({ type: problem.type });
    return reply
      .code(problem.status)
      .headers({ ...problem.headers, ...uncached, 'content-security-policy': pagePolicy })
      .header('content-type', 'text/html; charset=utf-8')
      .send(problemPage(problem));
  }
}
