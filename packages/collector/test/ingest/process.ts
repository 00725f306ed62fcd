import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { newId } from '@milepost/shared';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

// Of what it says; a long run says a lot.
const mostLines = 200;

/** A collector as a process of its own, as an operator runs it. */
export class CollectorProcess {
  readonly url: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #main: string;
  #child: ChildProcess | undefined;
  /** Is told every line that the process says. */
  onLine: (line: string) => void = () => {};
  /** What it said last; shown when it does not start. */
  #lines: string[] = [];

  constructor({
    databaseUrl,
    folder,
    port,
    env = {},
    main: program = main,
  }: {
    databaseUrl: string;
    folder: string;
    port: number;
    env?: NodeJS.ProcessEnv;
    /** The program; another for another version. */
    main?: string;
  }) {
    this.#main = program;
    this.url = `http://127.0.0.1:${port}`;
    this.#env = {
      PATH: process.env['PATH'],
      DATABASE_URL: databaseUrl,
      BUFFER_URL: `lmdb:${folder}`,
      PORT: String(port),
      LOG_LEVEL: 'info',
      ...env,
    };
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [this.#main, 'serve'], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#lines = [];
    let isListening = false;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => {
        if (this.#lines.push(line) > mostLines) this.#lines.shift();
        this.onLine(line);
        if (line.includes('"listening"')) isListening = true;
      });
    }
    while (!isListening) {
      if (child.exitCode !== null)
        throw new Error(`the collector ended: ${this.#lines.slice(-5).join('\n')}`);
      await sleep(20);
    }
  }

  /** Throws with its last words if it has ended by itself. */
  requireRunning(): void {
    const { exitCode, signalCode } = this.#child!;
    if (exitCode === null && signalCode === null) return;
    throw new Error(`the collector ended (${exitCode ?? signalCode}): ${this.#lines.slice(-30).join('\n')}`);
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** Ends it by `signal` and answers its exit code; null if the signal itself ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    child.kill(signal);
    const [code] = (await once(child, 'exit')) as [number | null];
    return code;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * Clients that send batches of 20 without pause, keep what was not acked and send it again, as the SDK does.
 * `acked` holds the ids of every event that was answered as accepted.
 */
export class Load {
  readonly acked = new Set<string>();
  readonly statuses = new Map<number | 'no answer', number>();
  #isStopping = false;
  readonly #clients: Promise<void>[];

  constructor({
    url,
    key,
    clients = 8,
    pauseMs = 0,
    nextBatch = batchOf,
  }: {
    url: string;
    key: string;
    clients?: number;
    pauseMs?: number;
    nextBatch?: (client: number) => { id: string }[];
  }) {
    this.#clients = Array.from({ length: clients }, async (_, client) => {
      while (!this.#isStopping) {
        await this.#deliver(`${url}/v1/events?k=${key}`, nextBatch(client));
        if (pauseMs > 0) await sleep(pauseMs);
      }
    });
  }

  /** Resolves once `count` more events were acked than now. */
  async untilAcked(count: number): Promise<void> {
    const wanted = this.acked.size + count;
    while (this.acked.size < wanted) await sleep(5);
  }

  /** Lets each client finish what it has begun. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#clients);
  }

  async #deliver(url: string, batch: { id: string }[]): Promise<void> {
    const body = JSON.stringify({ sent_at: Date.now(), batch });
    for (let attempt = 1; attempt <= 600; attempt += 1) {
      const response = await fetch(url, { method: 'POST', body }).catch(() => null);
      const status = response?.status ?? 'no answer';
      this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
      if (response?.ok) {
        const { results } = (await response.json()) as { results: { id: string; status: string }[] };
        for (const { id, status } of results) if (status === 'accepted') this.acked.add(id);
        return;
      }
      await response?.body?.cancel();
      await sleep(50);
    }
  }
}

function batchOf(client: number): { id: string }[] {
  return Array.from({ length: 20 }, (_, index) => ({
    id: newId(),
    name: 'page_view',
    anonymous_id: `visitor-${client}-${index % 5}`,
    occurred_at: Date.now(),
    sequence: index,
    properties: { path: `/product/${index}`, title: 'A page with a title of usual length' },
  }));
}
