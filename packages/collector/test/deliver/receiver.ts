/** A receiver of webhooks, honest or hostile. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A message as it was received. */
export type Received = {
  path: string;
  headers: Record<string, string>;
  text: string;
  body: { type: string; timestamp: string; data: Record<string, unknown> };
};

export type Answer = (request: Received, response: ServerResponse, count: number) => void;

/** Listens on this machine and answers as told; by default 204. */
export class Receiver {
  readonly received: Received[] = [];
  readonly #server = createServer((request, response) => void this.#take(request, response));
  answer: Answer = (_request, response) => void response.writeHead(204).end();
  url = '';

  static async start(answer?: Answer): Promise<Receiver> {
    const receiver = new Receiver();
    if (answer) receiver.answer = answer;
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    receiver.url = `http://127.0.0.1:${(receiver.#server.address() as AddressInfo).port}`;
    return receiver;
  }

  /** What came to one path. */
  at(path: string): Received[] {
    return this.received.filter((request) => request.path === path);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {}); // the sender hung up
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += String(chunk);
    const received = {
      path: request.url ?? '',
      headers: request.headers as Record<string, string>,
      text,
      body: JSON.parse(text) as Received['body'],
    };
    this.received.push(received);
    this.answer(received, response, this.received.length);
  }
}
