import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** A touchpoint as it arrived. */
export type Arrived = {
  id: string;
  name?: string;
  type?: string;
  anonymous_id: string;
  user_id?: string;
  occurred_at: string;
  properties?: Record<string, unknown>;
  traits?: Record<string, unknown>;
  context: { page?: { url: string; path: string; title: string; referrer: string } } & Record<
    string,
    unknown
  >;
};

/** One request as the sink saw it. */
export type Request = {
  method: string;
  at: number;
  headers: Record<string, string | string[] | undefined>;
  bytes: number;
  status: number;
  body: {
    writeKey: string;
    sent_at: string;
    context: Record<string, unknown>;
    lost?: Record<string, number>;
    batch: Arrived[];
  };
};

/** What the sink answers; by default a 200 that accepts everything. */
export type Answer = { status: number; headers?: Record<string, string>; body?: unknown };

/** An HTTP server in the collector's place, that can be told how to behave. It keeps what it saw. */
export class Sink {
  readonly requests: Request[] = [];
  /** Answers of the next requests, in order; afterwards the default again. */
  readonly nextAnswers: Answer[] = [];
  /** Decides on the requests after those; undefined means the default. */
  decide: (body: Request['body']) => Answer | undefined = () => undefined;
  /** Time between request and answer. */
  answerAfterMs = 0;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Touchpoints of all requests that were answered with 200, in order of arrival, context of the batch put in. */
  get accepted(): Arrived[] {
    return this.requests
      .filter(({ method, status }) => method === 'POST' && status === 200)
      .flatMap(({ body }) =>
        body.batch.map((event) => ({ ...event, context: { ...body.context, ...event.context } })),
      );
  }

  get posts(): Request[] {
    return this.requests.filter(({ method }) => method === 'POST');
  }

  /** Distinct touchpoints of that name (or type, where there is no name). */
  named(name: string): Arrived[] {
    const byId = new Map(
      this.accepted.filter((event) => (event.name ?? event.type) === name).map((event) => [event.id, event]),
    );
    return [...byId.values()];
  }

  /** Forgets what it saw and how it was told to behave. */
  reset(): void {
    this.requests.length = 0;
    this.nextAnswers.length = 0;
    this.decide = () => undefined;
    this.answerAfterMs = 0;
  }

  async listen(): Promise<void> {
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Refuses connections from now on; `listen` takes the same port again. */
  async close(): Promise<void> {
    const closed = once(this.#server!, 'close');
    this.#server!.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse) {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // the page went away in the middle of its request
    }
    const raw = Buffer.concat(chunks);
    const isGzip = raw[0] === 0x1f && raw[1] === 0x8b;
    const body = raw.length ? JSON.parse((isGzip ? gunzipSync(raw) : raw).toString()) : undefined;
    const answer = (body && (this.nextAnswers.shift() ?? this.decide(body))) || {
      status: 200,
      body: { results: body?.batch.map(({ id }: Arrived) => ({ id, status: 'accepted' })) ?? [] },
    };
    this.requests.push({
      method: request.method!,
      at: Date.now(),
      headers: request.headers,
      bytes: raw.length,
      status: answer.status,
      body,
    });
    if (this.answerAfterMs) await new Promise((resolve) => setTimeout(resolve, this.answerAfterMs));
    response.writeHead(answer.status, {
      'access-control-allow-origin': '*',
      'access-control-expose-headers': 'retry-after',
      'content-type': 'application/json',
      ...answer.headers,
    });
    response.end(JSON.stringify(answer.body ?? {}));
  }
}
