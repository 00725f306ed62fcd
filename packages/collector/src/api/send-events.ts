import type { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';

/** Answers server-sent events, as `stream` tells them. */
export function sendEvents(reply: FastifyReply, stream: Readable): FastifyReply {
  return reply
    .header('x-accel-buffering', 'no') // nginx would hold the events back
    .type('text/event-stream')
    .send(stream);
}
