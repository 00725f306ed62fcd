import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { Problem, problemForNow } from '../problems.ts';

const mebibyte = 1024 * 1024;

/** What bodies may take in memory while they come in, all together. */
export const mostBytesComingIn = 96 * mebibyte;
// The last half is for small bodies: slow large ones stop each other, and not what pages send.
const mostBytesOfLarge = mostBytesComingIn / 2;
const smallBody = 64 * 1024;

type Done = (error: Error | null, body?: Buffer) => void;

/** Reads the bodies of requests, all of them together within a bound: past it the answer is to come back. */
export class BodyReader {
  #bytes = 0;

  /** What came in of bodies that are not whole yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A parser of Fastify: answers the whole body, as bytes. */
  read = (request: FastifyRequest, payload: IncomingMessage, done: Done): void => {
    const limit = request.routeOptions.bodyLimit ?? mebibyte;
    const announced = Number(request.headers['content-length']);
    if (announced > limit) {
      done(tooLarge());
      return;
    }
    const chunks: Buffer[] = [];
    let received = 0;
    const finish = (error: Error | null): void => {
      payload.off('data', onData).off('end', onEnd).off('error', onEnd).off('close', onClose);
      this.#bytes -= received;
      if (error) done(error);
      else done(null, Buffer.concat(chunks, received)); // a copy, so that it does not keep what came beside it
    };
    const onData = (chunk: Buffer): void => {
      received += chunk.length;
      this.#bytes += chunk.length;
      chunks.push(chunk);
      if (received > limit) finish(tooLarge());
      else if (this.#bytes > (received > smallBody ? mostBytesOfLarge : mostBytesComingIn)) finish(tooMany());
    };
    const onEnd = (error?: Error): void => {
      if (error) finish(Object.assign(error, { statusCode: 400 }));
      else finish(!Number.isNaN(announced) && received !== announced ? wrongLength() : null);
    };
    const onClose = (): void => finish(wrongLength());
    payload.on('data', onData).on('end', onEnd).on('error', onEnd).on('close', onClose);
  };
}

function tooLarge(): Problem {
  return new Problem('body-too-large', 'The body is larger than this route takes: send less at a time.');
}

function wrongLength(): Problem {
  return new Problem('malformed-request', 'The body does not have the length that Content-Length says.');
}

function tooMany(): Problem {
  return problemForNow(
    'buffer-full',
    'More is being sent at once than can be held: keep this request and send it again later.',
    10,
  );
}
