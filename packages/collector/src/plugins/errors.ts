import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { fastifyPlugin } from 'fastify-plugin';
import type { Metrics } from '../operations/metrics.ts';
import { Problem, problemMediaType } from '../problems.ts';

/** One error handler: a `Problem` becomes its body, anything else a bare 500 that says nothing of the inside. */
export const errors = fastifyPlugin(
  async (app: FastifyInstance, { metrics }: { metrics: Metrics }) => {
    app.setErrorHandler((error: FastifyError, request, reply) => {
      const problem = problemOf(error);
      if (problem.status >= 500 && !(error instanceof Problem)) {
        request.log.error({ err: error, req: request }, 'request failed');
      } else {
        request.log.info({ req: request, problem: problem.type }, 'request refused');
      }
      return send(reply, problem);
    });
    app.setNotFoundHandler((request: FastifyRequest, reply: FastifyReply) =>
      send(reply, new Problem('not-found', notFoundDetail(request.method))),
    );

    function send(reply: FastifyReply, problem: Problem): FastifyReply {
      metrics.refused.inc({ type: problem.type });
      // The key of this answer is the request's; a shared cache must not keep it.
      return reply
        .code(problem.status)
        .headers({ ...problem.headers, 'cache-control': 'no-store' })
        .header('content-type', problemMediaType)
        .send(JSON.stringify(problem));
    }
  },
  { name: 'errors' },
);

function notFoundDetail(method: string): string {
  return method === 'GET' || method === 'HEAD'
    ? 'The addresses are listed under /docs.'
    : 'No route takes this method at this address; the routes are listed under /docs.';
}

/** What Fastify itself refuses, in the words of the closed list. */
function problemOf(error: FastifyError): Problem {
  if (error instanceof Problem) return error;
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem('body-too-large', 'The body is larger than this route takes: send less at a time.');
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new Problem('malformed-json', 'Send one JSON document in UTF-8.');
    case 'FST_ERR_VALIDATION':
      return new Problem('invalid-query', 'A parameter does not have the documented form; see /docs.');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new Problem('malformed-request', 'The body does not have the length that Content-Length says.');
    default:
      if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
        return new Problem(
          'malformed-request',
          'The request is not readable as HTTP with the documented headers.',
        );
      }
      return new Problem('internal', 'The failure was logged under the id in X-Request-Id.');
  }
}

const patientSockets = new WeakSet<Socket>();

/**
 * Lets the body that comes on this socket take as long as it needs: Node's limit is one for all requests. Whoever calls
 * this gives up on a body that stalls, and calls what is returned when the body is there.
 */
export function waitPatiently(socket: Socket): () => void {
  patientSockets.add(socket);
  return () => patientSockets.delete(socket);
}

/** Answers what is not even HTTP, where no request exists yet. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && patientSockets.has(socket)) return;
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return;
  const problem = connectionProblemOf(error.code);
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nContent-Type: ${problemMediaType}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function connectionProblemOf(code: string | undefined): Problem {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem('request-timeout', 'The request did not arrive in time: send it again.');
    case 'HPE_HEADER_OVERFLOW':
      return new Problem(
        'headers-too-large',
        'Headers and address together may have 16 KiB: send less, cookies above all.',
      );
    default:
      return new Problem(
        'malformed-request',
        'The bytes on this connection are not a readable HTTP request.',
      );
  }
}
