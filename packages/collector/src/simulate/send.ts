import { setTimeout as sleep } from 'node:timers/promises';

import { Pool } from 'undici';

/** One request body and the key it goes with. */
export type Shipment = { key: string; events: readonly string[] };

/** What the collector answered, added up. */
export type Tally = {
  accepted: number;
  rejected: number;
  requests: number;
  retries: number;
  reasons: Map<string, number>;
};

export type SendOptions = {
  /** The collector, `http://127.0.0.1:4000`. */
  url: string;
  /** Requests under way at once. */
  connections: number;
  /** Touchpoints a second at most; null sends as fast as the collector answers. */
  rate: number | null;
  signal: AbortSignal;
  onAnswer: (tally: Tally) => void;
};

/** The collector refused a request in a way that trying again does not help. */
export class SendRefused extends Error {}

const longestWaitMs = 10_000;
const longestSilenceMs = 60_000;

/**
 * Sends every shipment to `POST /v1/events`. A full or absent collector (429, 5xx, no connection) is tried again
 * after the wait it asks for, until `signal` aborts or a minute went by without one answer; that, like any other
 * refusal, throws `SendRefused`.
 */
export async function send(shipments: Iterable<Shipment>, options: SendOptions): Promise<Tally> {
  const { url, connections, rate, onAnswer } = options;
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const pool = new Pool(new URL(url).origin, { connections, pipelining: 1 });
  const tally: Tally = { accepted: 0, rejected: 0, requests: 0, retries: 0, reasons: new Map() };
  const source = shipments[Symbol.iterator]();
  const startedAt = performance.now();
  let taken = 0;
  let answeredAt = startedAt;

  async function carry(): Promise<void> {
    for (;;) {
      if (signal.aborted) return;
      const { value, done } = source.next();
      if (done) return;
      taken += value.events.length;
      if (rate !== null) await pause((taken / rate) * 1_000 - (performance.now() - startedAt));
      const body = `{"batch":[${value.events.join(',')}]}`;
      if (await deliver(value.key, body)) onAnswer(tally);
    }
  }

  async function deliver(key: string, body: string): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await post(key, body);
      if (signal.aborted) return false;
      if (answer.kind === 'answered') {
        answeredAt = performance.now();
        return true;
      }
      if (answer.kind === 'refused') throw new SendRefused(answer.detail);
      if (performance.now() - answeredAt > longestSilenceMs) throw new SendRefused('it does not answer');
      tally.retries += 1;
      await pause(answer.afterMs ?? Math.min(200 * 2 ** attempt, longestWaitMs));
      if (signal.aborted) return false;
    }
  }

  async function post(key: string, body: string): Promise<Answer> {
    const request = { path: '/v1/events', method: 'POST', body } as const;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
    tally.requests += 1;
    let statusCode: number;
    let text: string;
    let retryAfter: string | string[] | undefined;
    try {
      const response = await pool.request({ ...request, headers });
      statusCode = response.statusCode;
      retryAfter = response.headers['retry-after'];
      text = await response.body.text();
    } catch {
      return { kind: 'busy' }; // no connection, or it broke: the batch may or may not have arrived, its ids decide
    }
    if (statusCode === 429 || statusCode >= 500) {
      const seconds = Number(retryAfter);
      return seconds > 0 ? { kind: 'busy', afterMs: seconds * 1_000 } : { kind: 'busy' };
    }
    if (statusCode !== 200) return { kind: 'refused', detail: `${statusCode} ${text.slice(0, 500)}` };
    count(tally, text);
    return { kind: 'answered' };
  }

  async function pause(ms: number): Promise<void> {
    if (ms <= 0) return;
    // The only way this wait rejects is the abort, which the loops look at themselves.
    await sleep(ms, undefined, { signal }).catch(() => undefined);
  }

  try {
    await Promise.all(Array.from({ length: connections }, carry));
  } catch (error) {
    failed.abort(); // the other connections would go on trying
    throw error;
  } finally {
    await pool.destroy();
  }
  return tally;
}

type Answer = { kind: 'answered' } | { kind: 'busy'; afterMs?: number } | { kind: 'refused'; detail: string };

function count(tally: Tally, text: string): void {
  const { results } = JSON.parse(text) as { results: { status: string; reason?: string }[] };
  for (const { status, reason } of results) {
    if (status === 'accepted') {
      tally.accepted += 1;
      continue;
    }
    tally.rejected += 1;
    const why = reason ?? 'unknown';
    tally.reasons.set(why, (tally.reasons.get(why) ?? 0) + 1);
  }
}
