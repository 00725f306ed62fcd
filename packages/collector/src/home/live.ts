import { PassThrough, type Readable } from 'node:stream';
import type { FastifyBaseLogger } from 'fastify';
import type { Pool } from 'pg';
import { figuresOf, type Figures, type Site } from './figures.ts';
import { listLength, newestTouchpoints, type LiveTouchpoint } from './touchpoints.ts';
import {
  cartsView,
  freshnessView,
  freshnessWorstView,
  stagesView,
  tilesView,
  touchpointView,
} from './view.ts';

const touchpointsEveryMs = 300;
const figuresEveryMs = 500;
const heartbeatEveryMs = 15_000;
// a reader that has not taken this much for so long has gone to sleep; it comes back by itself
const mostWaitingBytes = 1 << 20;

/** Gives a stage the number of its colour, by its place in the site's model. */
export const huesOf = (figures: Figures) => {
  const places = new Map(figures.stages.map(({ stage }, index) => [stage, (index % 6) + 1]));
  return (stage: string) => places.get(stage) ?? 1;
};

/**
 * What happens at one site, told to everybody who watches. However many watch, the database is asked once; when
 * nobody does, not at all.
 */
export class LiveSite {
  readonly #pool: Pool;
  readonly #site: Site;
  readonly #log: FastifyBaseLogger;
  readonly #watchers = new Set<PassThrough>();
  /** What was told last, by part of the page; a newcomer is told all of it. */
  readonly #told = new Map<string, string>();
  #figures: Figures | undefined;
  #since: Date | undefined;
  #isRunning = false;

  constructor(pool: Pool, site: Site, log: FastifyBaseLogger) {
    this.#pool = pool;
    this.#site = site;
    this.#log = log;
  }

  /** A stream of server-sent events for one browser. */
  watch(): Readable {
    const stream = new PassThrough({ highWaterMark: mostWaitingBytes });
    stream.write('retry: 2000\n\n');
    for (const [part, text] of this.#told) stream.write(eventOf(part, text));
    this.#watchers.add(stream);
    stream.once('close', () => this.#watchers.delete(stream));
    if (!this.#isRunning) void this.#run();
    return stream;
  }

  /** Ends every stream; the browsers come back when the collector does. */
  close(): void {
    for (const stream of this.#watchers) stream.end();
    this.#watchers.clear();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    let figuresDueAt = 0;
    let heartbeatDueAt = Date.now() + heartbeatEveryMs;
    while (this.#watchers.size > 0) {
      const startedAt = Date.now();
      let isAnswered = true;
      try {
        if (startedAt >= figuresDueAt) {
          await this.#tellFigures();
          // a site so large that counting takes long is counted less often
          figuresDueAt = startedAt + Math.max(figuresEveryMs, 10 * (Date.now() - startedAt));
        }
        await this.#tellTouchpoints();
      } catch (error) {
        isAnswered = false;
        this.#log.warn({ err: error, siteId: this.#site.site_id }, 'the live page could not be read');
      }
      this.#tell('state', JSON.stringify(isAnswered ? 'live' : 'waiting'));
      if (startedAt >= heartbeatDueAt) {
        this.#write(': still here\n\n');
        heartbeatDueAt = startedAt + heartbeatEveryMs;
      }
      // and where the database is slow, it is asked less: watching must not become its main work
      await sleep(isAnswered ? Math.max(touchpointsEveryMs, 4 * (Date.now() - startedAt)) : 2_000);
    }
    this.#told.clear();
    this.#since = undefined;
    this.#isRunning = false;
  }

  async #tellFigures(): Promise<void> {
    const figures = await figuresOf(this.#pool, this.#site.site_id);
    this.#figures = figures;
    this.#tell('stages', JSON.stringify(stagesView(figures.stages).text));
    this.#tell('tiles', JSON.stringify(tilesView(figures, this.#site.currency).text));
    this.#tell('carts', JSON.stringify(cartsView(figures.carts).text));
    this.#tell('freshness-worst', JSON.stringify(freshnessWorstView(figures.freshness).text));
    this.#tell('freshness', JSON.stringify(freshnessView(figures.freshness).text));
  }

  async #tellTouchpoints(): Promise<void> {
    const options = { siteId: this.#site.site_id, since: this.#since };
    const touchpoints = await newestTouchpoints(this.#pool, options);
    if (touchpoints.length === listLength) this.#since = touchpoints.at(-1)?.received_at;
    this.#tell('touchpoints', JSON.stringify(touchpoints.map((touchpoint) => this.#rowOf(touchpoint))));
  }

  #rowOf(touchpoint: LiveTouchpoint): [id: string, row: string] {
    const hueOf = this.#figures ? huesOf(this.#figures) : () => 1;
    return [touchpoint.touchpoint_id, touchpointView(touchpoint, hueOf).text];
  }

  /** Tells a part of the page, if it is another than before. */
  #tell(part: string, text: string): void {
    if (this.#told.get(part) === text) return;
    this.#told.set(part, text);
    this.#write(eventOf(part, text));
  }

  #write(text: string): void {
    for (const stream of this.#watchers) {
      if (stream.writableLength > mostWaitingBytes) stream.destroy();
      else stream.write(text);
    }
  }
}

// JSON has no line break, so one data line is enough
const eventOf = (part: string, text: string) => `event: ${part}\ndata: ${text}\n\n`;

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
