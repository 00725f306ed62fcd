import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { benchBatches, benchProfile } from '@milepost/collector/simulate/bench';

import type { BenchSite } from './stand.ts';

/** A request as it goes over the wire. `sentAtOffset` is where the time of sending is written just before. */
export type PreparedRequest = { bytes: Buffer; sentAtOffset: number; touchpoints: number };

/** The load, made before the clock starts. */
export type Load = { requests: PreparedRequest[]; distinct: number };

/** What the load generator saw. */
export type LoadResult = { requests: number; touchpoints: number; seconds: number; latencies: number[] };

const sentAt = new Date(0).toISOString();
const head = '{"sent_at":"';

/** Makes every request of a run of the bench profile. */
export function prepareLoad(
  sites: readonly BenchSite[],
  { seed, touchpoints, startMs }: { seed: number; touchpoints: number; startMs: number },
): Load {
  const requests: PreparedRequest[] = [];
  for (const { site, events } of benchBatches({ seed, touchpoints, startMs })) {
    const key = sites[site]?.writeKey;
    if (key === undefined) throw new RangeError(`the load has no site ${site}`);
    requests.push(prepareRequest(key, events));
  }
  return { requests, distinct: touchpoints };
}

// Until when this process has made traffic, in the traffic's own time.
let simulatedUntil = 0;

/**
 * When the traffic must begin to lie in the past as a whole, ten minutes for the ends of the last sessions included.
 * Not earlier: carts of long ago would be abandoned at once, all together, which live traffic never does. And not
 * before the end of the traffic made before: the same persons come again, and the profile has 1 % late, no more.
 */
export function startOf(touchpoints: number): number {
  const { sessionsPerSecond, touchpointsPerSession } = benchProfile;
  const length = (touchpoints / touchpointsPerSession / sessionsPerSecond) * 1_000;
  const start = Math.max(Date.now() - length - 600_000, simulatedUntil);
  simulatedUntil = start + length;
  return start;
}

/** One request to `POST /v1/events` by hand: nothing is left to build while the clock runs. */
export function prepareRequest(key: string, events: readonly string[]): PreparedRequest {
  const body = Buffer.from(`${head}${sentAt}","batch":[${events.join(',')}]}`);
  const lines = [
    'POST /v1/events HTTP/1.1',
    'host: bench',
    `authorization: Bearer ${key}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
  ];
  const start = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
  return {
    bytes: Buffer.concat([start, body]),
    sentAtOffset: start.length + head.length,
    touchpoints: events.length,
  };
}

/**
 * Sends requests over kept-alive connections, one under way on each. With `rate` (touchpoints a second) each request
 * has its instant, and its latency counts from that instant, so that a stall is not hidden by waiting for it. The
 * protocol is spoken by hand, since the generator shares the cores with what it measures.
 */
export async function sendLoad(
  requests: Iterable<PreparedRequest>,
  { url, connections, rate }: { url: string; connections: number; rate: number | null },
): Promise<LoadResult> {
  const source = requests[Symbol.iterator]();
  const result: LoadResult = { requests: 0, touchpoints: 0, seconds: 0, latencies: [] };
  const startedAt = performance.now();
  let scheduled = 0;

  async function carry(): Promise<void> {
    const connection = await openConnection(url);
    for (;;) {
      const { value: request, done } = source.next();
      if (done) break;
      let dueAt = performance.now();
      if (rate !== null) {
        dueAt = startedAt + (scheduled / rate) * 1_000;
        scheduled += request.touchpoints;
        const waitMs = dueAt - performance.now();
        if (waitMs > 1) await sleep(waitMs);
      }
      request.bytes.write(new Date().toISOString(), request.sentAtOffset, 'latin1');
      const answer = await connection.ask(request.bytes);
      result.latencies.push(performance.now() - dueAt);
      result.requests += 1;
      result.touchpoints += request.touchpoints;
      if (answer.status !== 200 || answer.text.includes('"rejected"')) {
        throw new Error(`the collector answered ${answer.status}: ${answer.text.slice(0, 300)}`);
      }
    }
    connection.close();
  }

  await Promise.all(Array.from({ length: connections }, carry));
  result.seconds = (performance.now() - startedAt) / 1_000;
  return result;
}

type Answer = { status: number; text: string };
type Connection = { ask(request: Buffer): Promise<Answer>; close(): void };

async function openConnection(url: string): Promise<Connection> {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, 'connect');
  let received = '';
  let waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | null = null;
  let failure: Error | null = null;

  const fail = (error: Error) => {
    failure = error;
    waiting?.reject(error);
    waiting = null;
  };
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the collector closed the connection')));
  socket.setEncoding('latin1');
  socket.on('data', (text) => {
    received += text as unknown as string;
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const length = Number(/content-length: (\d+)/i.exec(received.slice(0, headEnd))?.[1] ?? Number.NaN);
    if (Number.isNaN(length)) return fail(new Error('an answer without content-length'));
    if (received.length < headEnd + 4 + length) return;
    const answer = { status: Number(received.slice(9, 12)), text: received.slice(headEnd + 4) };
    received = '';
    waiting?.resolve(answer);
    waiting = null;
  });

  return {
    ask: (request) =>
      new Promise<Answer>((resolve, reject) => {
        if (failure !== null) return reject(failure);
        waiting = { resolve, reject };
        socket.write(request);
      }),
    close: () => socket.removeAllListeners('close').end(),
  };
}

/** The value that this share of the list does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
