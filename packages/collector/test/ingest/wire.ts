import { connect, type Socket } from 'node:net';

/** So long an answer is waited for; one that takes longer is a failure. */
const patienceMs = 60_000;

/** What came back: a status, or that the connection was closed without one, or that nothing came at all. */
export type Answered = number | 'closed' | 'silent';

/**
 * One connection of a client that speaks HTTP by hand: it writes what no library would, costs next to nothing beside the
 * server that it looks at, and opens another connection whenever that one is closed.
 */
export class Wire {
  readonly #port: number;
  readonly #hostname: string;
  #socket: Socket | null = null;
  #received = '';
  #answered: ((answered: Answered) => void) | null = null;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#hostname = hostname;
    this.#port = Number(port);
  }

  /** Writes a request and answers the status that comes back. */
  ask(bytes: Uint8Array): Promise<Answered> {
    const socket = this.#open();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#answered?.('silent'), patienceMs);
      this.#answered = (answered) => {
        clearTimeout(timer);
        this.#answered = null;
        if (typeof answered !== 'number') this.close();
        resolve(answered);
      };
      socket.write(bytes);
    });
  }

  /** Writes a part of a request and hangs up. */
  async hangUpAfter(bytes: Uint8Array): Promise<'closed'> {
    const socket = this.#open();
    await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
    this.close();
    return 'closed';
  }

  close(): void {
    this.#socket?.removeAllListeners('close').destroy();
    this.#socket = null;
  }

  #open(): Socket {
    if (this.#socket) return this.#socket;
    const socket = connect({ host: this.#hostname, port: this.#port, noDelay: true }).setEncoding('latin1');
    this.#socket = socket;
    this.#received = '';
    socket.on('error', () => {}); // followed by `close`
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = null;
      this.#answered?.('closed');
    });
    socket.on('data', (text) => {
      this.#received += text as unknown as string;
      const answer = answerIn(this.#received);
      if (answer === null) return;
      this.#received = '';
      if (answer.isLast) this.close();
      this.#answered?.(answer.status);
    });
    return socket;
  }
}

/** A whole answer; null while some of it is missing. */
function answerIn(received: string): { status: number; isLast: boolean } | null {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd === -1) return null;
  const head = received.slice(0, headEnd).toLowerCase();
  const length = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
  if (received.length < headEnd + 4 + length) return null;
  if (head.includes('transfer-encoding: chunked') && !received.endsWith('\r\n0\r\n\r\n')) return null;
  return { status: Number(head.slice(9, 12)), isLast: head.includes('\r\nconnection: close') };
}
