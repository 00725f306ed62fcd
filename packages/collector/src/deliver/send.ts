import { isIP } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { Agent, request, type Dispatcher } from 'undici';
import { type Outcome, retryAfterOf } from './schedule.ts';
import {
  addressNotAllowed,
  guardedLookup,
  hostOf,
  isPublicAddress,
  refusedAddress,
  type TargetPolicy,
} from './targets.ts';

/** A message on its way: `webhookId` is the same for every attempt, the signature is of this one. */
export type Message = { url: string; webhookId: string; body: string; secrets: string[] };

/** What is written down of an attempt. */
export type Attempt = {
  outcome: Outcome;
  status: number | null;
  error: string | null;
  headers: Record<string, string> | null;
  answer: string | null;
};

export type SenderOptions = {
  policy: TargetPolicy;
  /** Until the whole answer must be there. Default: 20 s. */
  timeoutMs?: number;
  /** How names become addresses; tests give their own. */
  resolve?: Parameters<typeof guardedLookup>[1];
};

const mostAnswerBytes = 8_192;
const connectMs = 5_000;

/** Sends messages: without redirects, to allowed addresses alone, with limits on what is taken back. */
export class Sender {
  readonly #agent: Agent;
  readonly #policy: TargetPolicy;
  readonly #timeoutMs: number;

  constructor({ policy, timeoutMs = 20_000, resolve }: SenderOptions) {
    this.#policy = policy;
    this.#timeoutMs = timeoutMs;
    this.#agent = new Agent({
      connect: {
        lookup: guardedLookup(policy, resolve),
        timeout: Math.min(connectMs, timeoutMs),
      },
      keepAliveTimeout: 4_000,
      maxHeaderSize: 16_384,
    });
  }

  /** How one attempt ended. Never rejects. */
  async send(message: Message): Promise<Attempt> {
    const url = new URL(message.url);
    const host = hostOf(url);
    // an address needs no look-up, so the guard there would not see it
    if (this.#policy === 'public' && isIP(host) !== 0 && !isPublicAddress(host))
      return failed(refusedAddress());
    const signal = AbortSignal.timeout(this.#timeoutMs);
    try {
      const response = await request(url, {
        method: 'POST',
        dispatcher: this.#agent,
        headers: headersOf(message, new Date()),
        body: message.body,
        signal,
      });
      return await answerOf(response);
    } catch (error) {
      return failed(error);
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

/** The headers of a message, signed with every secret that is valid: during a rotation a receiver may hold either. */
export function headersOf({ webhookId, body, secrets }: Message, at: Date): Record<string, string> {
  return {
    'content-type': 'application/json',
    'user-agent': 'Milepost-Webhooks/1',
    'webhook-id': webhookId,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(webhookId, at, body)).join(' '),
  };
}

async function answerOf({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<Attempt> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= mostAnswerBytes) break; // ends the connection: an endless body is nobody's to read
    }
  } catch {
    // The status has come, and it is what counts.
  }
  const retryAfterMs = retryAfterOf([headers['retry-after']].flat()[0], Date.now());
  const text = Buffer.concat(chunks).subarray(0, mostAnswerBytes).toString();
  return {
    outcome: {
      kind: 'answered',
      status: statusCode,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    },
    status: statusCode,
    error: null,
    headers: storable(
      Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
    ),
    answer: withoutNul(text),
  };
}

const neverSent: Record<string, string> = {
  [addressNotAllowed]: 'address_not_allowed',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ENOTFOUND: 'no_such_host',
  EAI_AGAIN: 'no_such_host',
  UND_ERR_CONNECT_TIMEOUT: 'connect_timeout',
};

function failed(error: unknown): Attempt {
  const codes = codesOf(error);
  const known = codes.find((code) => code in neverSent);
  const isCertificate = codes.some((code) => /CERT|TLS|SSL|ALTNAME|SELF_SIGNED|UNABLE_TO_/.test(code));
  const isTimeout = codes.some((code) => /TIMEOUT|ABORT/i.test(code));
  const nothing = { status: null, headers: null, answer: null };
  if (known !== undefined)
    return { ...nothing, outcome: { kind: 'not_sent' }, error: neverSent[known] ?? known };
  if (isCertificate) return { ...nothing, outcome: { kind: 'not_sent' }, error: 'certificate' };
  return { ...nothing, outcome: { kind: 'unknown' }, error: isTimeout ? 'timeout' : 'connection_lost' };
}

/** The codes and names of an error, of its cause and of its parts: a host may have several addresses. */
function codesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const { code, name, cause } = error as NodeJS.ErrnoException & { cause?: unknown };
  const parts = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  return [code ?? name, ...codesOf(cause), ...parts.flatMap(codesOf)];
}

// PostgreSQL cannot hold NUL in text
const withoutNul = (text: string) => text.replaceAll('\0', '\uFFFD');
const storable = (headers: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(headers)
      .slice(0, 50)
      .map(([name, value]) => [name, withoutNul(value.slice(0, 1_000))]),
  );
