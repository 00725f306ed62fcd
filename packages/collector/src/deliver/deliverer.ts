import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import { afterAttempt, standardSchedule } from './schedule.ts';
import { Sender, type SenderOptions } from './send.ts';
import { claim, enqueue, record, sitesToServe, type Claimed, type Ended } from './store.ts';

export type DelivererOptions = SenderOptions & {
  pool: pg.Pool;
  log: Pick<Logger, 'warn'>;
  metrics?: DeliverMetrics;
  /** The waits between attempts. Default: those of the Standard Webhooks specification. */
  schedule?: readonly number[];
  /** Until another deliverer takes a delivery up whose sender is silent. Default: a minute. */
  leaseMs?: number;
  /** Attempts under way at once. Default: 1,000. */
  mostAtOnce?: number;
};

/** What deliverers report of themselves. */
export type DeliverMetrics = { attempts: { inc(labels: { outcome: string }): void } };

export type DeliverLoop = {
  /** Claims nothing more, and waits for the attempts under way. */
  stop(): Promise<void>;
};

const tickMs = 250;
const longestBackoffMs = 5_000;

/** Sends what webhooks are subscribed to, until stopped. Any number of them may do so at once, in any number of processes. */
export function startDeliver(options: DelivererOptions): DeliverLoop {
  const deliverer = new Deliverer(options);
  return { stop: () => deliverer.stop() };
}

/** One deliverer: each site with something to send is served by a task of its own, so that none waits for another. */
class Deliverer {
  readonly #options: Required<Pick<DelivererOptions, 'schedule' | 'leaseMs' | 'mostAtOnce'>> &
    DelivererOptions;
  readonly #sender: Sender;
  readonly #serving = new Map<number, Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #underWay = 0;

  constructor(options: DelivererOptions) {
    this.#options = { schedule: standardSchedule, leaseMs: 60_000, mostAtOnce: 1_000, ...options };
    this.#sender = new Sender(options);
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await Promise.all(this.#serving.values());
    await this.#sender.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let backoffMs = tickMs;
    while (!signal.aborted) {
      try {
        for (const siteId of await sitesToServe(this.#options.pool)) {
          if (this.#serving.has(siteId)) continue;
          const serving = this.#serve(siteId).finally(() => this.#serving.delete(siteId));
          this.#serving.set(siteId, serving);
        }
        backoffMs = tickMs;
      } catch (error) {
        this.#options.log.warn({ err: error }, 'webhooks cannot be read; trying on');
        backoffMs = Math.min(backoffMs * 2, longestBackoffMs);
      }
      await sleep(backoffMs, undefined, { signal }).catch(() => {
        // Stopped while waiting.
      });
    }
  }

  /** Sends what is due at a site until nothing is, and nothing is under way. */
  async #serve(siteId: number): Promise<void> {
    const ended: Ended[] = [];
    const underWay = new Set<Promise<void>>();
    let wasEmpty = false;
    for (;;) {
      const batch = ended.splice(0); // others end while these are written down
      try {
        if (batch.length > 0) {
          await record(this.#options.pool, siteId, batch);
          batch.length = 0;
        }
        const claimed = await this.#claim(siteId);
        for (const one of claimed) {
          const sending = this.#send(one).then((attempt) => {
            ended.push(attempt);
            underWay.delete(sending);
          });
          underWay.add(sending);
        }
        wasEmpty = claimed.length === 0;
      } catch (error) {
        ended.push(...batch);
        this.#options.log.warn({ err: error, siteId }, 'deliveries of a site cannot be written; trying on');
        await sleep(1_000);
        // what is not written down is sent again by others, under the same id, when its lease has ended
        if (underWay.size === 0 && this.#stopping.signal.aborted) return;
        continue;
      }
      if (underWay.size > 0) {
        // whatever ends next; but look for what else has fallen due meanwhile
        await Promise.race([...underWay, sleep(tickMs, undefined, { ref: false })]);
      } else if (wasEmpty && ended.length === 0) {
        return;
      }
    }
  }

  async #claim(siteId: number): Promise<Claimed[]> {
    const { pool, leaseMs, mostAtOnce } = this.#options;
    const limit = mostAtOnce - this.#underWay;
    if (this.#stopping.signal.aborted || limit <= 0) return [];
    await enqueue(pool, siteId);
    return claim(pool, { siteId, limit, leaseMs });
  }

  async #send(claimed: Claimed): Promise<Ended> {
    this.#underWay += 1;
    const attempt = await this.#sender.send({
      url: claimed.url,
      webhookId: claimed.delivery_id,
      body: claimed.body,
      secrets: claimed.secrets,
    });
    this.#underWay -= 1;
    const next = afterAttempt(attempt.outcome, {
      attempt: claimed.round_attempt,
      random: Math.random(),
      // who pings looks at the answer
      schedule: claimed.type === 'webhook.ping' ? [] : this.#options.schedule,
    });
    this.#options.metrics?.attempts.inc({ outcome: next.kind });
    return { claimed, attempt, next, at: new Date() };
  }
}
