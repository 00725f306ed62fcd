import { once } from 'node:events';
import {
  Agent,
  createServer,
  request as forward,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import { marksIn } from './marks.ts';

/** One request as it passed the gate. `status` is 0 where there was no answer. */
export type Passed = {
  method: string;
  at: number;
  url: string;
  headers: IncomingHttpHeaders;
  /** Bytes of the body, as sent. */
  bytes: number;
  /** Bytes of the request line, the headers and the body. */
  wireBytes: number;
  isGzip: boolean;
  marks: string[];
  status: number;
};

/** An HTTP proxy between a browser and where its events go: the wire that can be cut. */
export type Gate = {
  url: string;
  /** Everything that came, in order. */
  passed: Passed[];
  /** How often each marked event was accepted behind the gate, whether or not the page has heard of it. */
  accepted: Map<string, number>;
  /** Answers the next requests (preflights pass) itself, in order. */
  answerNext(status: number, headers?: Record<string, string>): void;
  /** Lets the next request through, and cuts the connection instead of passing the answer on. */
  swallowNext(): void;
  /** Refuses connections and cuts those that are open. */
  shut(): Promise<void>;
  /** Listens again, on the same port. */
  open(): Promise<void>;
  close(): Promise<void>;
};

/** Opens a gate before `upstream`. */
export async function openGate(upstream: string): Promise<Gate> {
  const agent = new Agent({ keepAlive: true });
  const sockets = new Set<Socket>();
  const answers: { status: number; headers: Record<string, string> }[] = [];
  let toSwallow = 0;
  const passed: Passed[] = [];
  const accepted = new Map<string, number>();
  let server: Server | undefined;
  let port = 0;

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    if (body === null) return;
    const record = recordOf(request, body);
    passed.push(record);
    const own = request.method === 'OPTIONS' ? undefined : answers.shift();
    if (own !== undefined) {
      record.status = own.status;
      response.writeHead(own.status, { ...allow(request), ...own.headers }).end();
      return;
    }
    const { method, headers } = request;
    const isSwallowed = method !== 'OPTIONS' && toSwallow > 0 && toSwallow-- > 0;
    const onward = forward(upstream + request.url, { method, headers, agent }, (answer) => {
      record.status = answer.statusCode ?? 0;
      if (method !== 'OPTIONS' && record.status >= 200 && record.status < 300) {
        for (const mark of record.marks) accepted.set(mark, (accepted.get(mark) ?? 0) + 1);
      }
      if (isSwallowed) {
        answer.resume();
        response.destroy();
        return;
      }
      response.writeHead(record.status, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    onward.end(body);
  }

  async function open(): Promise<void> {
    if (server !== undefined) return;
    server = createServer((request, response) => void pass(request, response));
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  }

  async function shut(): Promise<void> {
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    server = undefined;
    for (const socket of sockets) socket.destroy();
    await closed;
  }

  await open();
  return {
    url: `http://127.0.0.1:${port}`,
    passed,
    accepted,
    answerNext: (status, headers = {}) => void answers.push({ status, headers }),
    swallowNext: () => void toSwallow++,
    open,
    shut,
    async close() {
      await shut();
      agent.destroy();
    },
  };
}

/** What lets any page read an answer, with cookies too, which some trackers send. */
export function allow({ headers }: IncomingMessage): Record<string, string> {
  return {
    'access-control-allow-origin': headers.origin ?? '*',
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers': headers['access-control-request-headers'] ?? 'content-type',
    'access-control-expose-headers': 'retry-after',
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return null; // the page went away in the middle of its request
  }
  return Buffer.concat(chunks);
}

function recordOf({ method = '', url = '', headers, rawHeaders }: IncomingMessage, body: Buffer): Passed {
  // "GET /path HTTP/1.1", then a line a header, each with its line end, and an empty line
  let wireBytes = `${method} ${url} HTTP/1.1\r\n\r\n`.length + body.length;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    wireBytes += `${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`.length;
  }
  const marks = method === 'OPTIONS' ? [] : marksIn(url, body);
  const isGzip = body[0] === 0x1f && body[1] === 0x8b;
  return { method, at: Date.now(), url, headers, bytes: body.length, wireBytes, isGzip, marks, status: 0 };
}
