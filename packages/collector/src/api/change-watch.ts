import type { FastifyBaseLogger } from 'fastify';
import type { Pool } from 'pg';

const lookEveryMs = 250;

type Watcher = { siteId: number; position: number; wake: () => void };

/**
 * Wakes whoever waits for a feed to go on. However many wait, the database is asked one small question four times a
 * second; when nobody does, none. A notification would cost every transaction of derivation instead.
 */
export class ChangeWatch {
  readonly #pool: Pool;
  readonly #log: Pick<FastifyBaseLogger, 'warn'>;
  readonly #watchers = new Set<Watcher>();
  #isRunning = false;

  constructor(pool: Pool, log: Pick<FastifyBaseLogger, 'warn'>) {
    this.#pool = pool;
    this.#log = log;
  }

  /** Resolves once the feed of a site is past `position`, after `patienceMs`, or when `signal` aborts. */
  async past(
    { siteId, position }: { siteId: number; position: number },
    patienceMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.#watchers.delete(watcher);
        resolve();
      };
      const watcher: Watcher = { siteId, position, wake };
      const timer = setTimeout(wake, patienceMs);
      signal.addEventListener('abort', wake, { once: true });
      this.#watchers.add(watcher);
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    let isAnswered = true;
    while (this.#watchers.size > 0) {
      const startedAt = Date.now();
      try {
        await this.#look();
        isAnswered = true;
      } catch (error) {
        if (isAnswered) this.#log.warn({ err: error }, 'the change feed cannot be watched; trying on');
        isAnswered = false;
      }
      // where the database is slow, it is asked less
      await sleep(Math.max(lookEveryMs, 4 * (Date.now() - startedAt)));
    }
    this.#isRunning = false;
  }

  async #look(): Promise<void> {
    const sites = [...new Set([...this.#watchers].map(({ siteId }) => siteId))];
    const { rows } = await this.#pool.query<{ site_id: number; last_cursor: string }>({
      name: 'api-feeds',
      text: 'select feeds.site_id, feeds.last_cursor from store.feeds where feeds.site_id = any ($1)',
      values: [sites],
    });
    const ends = new Map(rows.map((row) => [row.site_id, Number(row.last_cursor)]));
    for (const watcher of this.#watchers) {
      if ((ends.get(watcher.siteId) ?? 0) > watcher.position) watcher.wake();
    }
  }
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
