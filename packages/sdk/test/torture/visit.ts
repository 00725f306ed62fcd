import { setTimeout as sleep } from 'node:timers/promises';

import type { BrowserContext, Page } from 'playwright-core';

import type { Profiles } from './browsers.ts';
import { openGate, type Gate } from './gate.ts';
import { markOf } from './marks.ts';
import type { Pages } from './pages.ts';

declare global {
  interface Window {
    /** Calls the tracker `count` times in one task; the events carry the marks of `run`. */
    fire(run: string, from: number, count: number, bytes: number): void;
    /** Whether the page came out of the back/forward cache. */
    isRestored?: boolean;
    /** The tracker that is measured, by the same three names whichever it is. */
    bench: {
      start(url: string): void;
      track(mark: string, filler: string): void;
      identify(id: string): void;
    };
  }
}

/** What every visit of a scenario shares. */
export type Ground = {
  profiles: Profiles;
  pages: Pages;
  upstream: string;
  key: string;
  /** How often each marked event of a run is stored; null where nothing is stored, and being accepted is all. */
  copiesOf: ((run: string) => Promise<Map<string, number>>) | null;
  /** How long to wait for what may never come: on the page, after the return, and for copies too many. */
  patience: { stayMs: number; returnMs: number; graceMs: number };
};

/** One visitor with a fresh profile, and a way to the collector that is nobody else's. */
export class Visit {
  /** Counts the runs of a scenario: delays are spread by it, so that runs do not all hit the same moment. */
  readonly index: number;
  readonly run: string;
  readonly gate: Gate;
  readonly context: BrowserContext;
  readonly ground: Ground;
  page!: Page;
  /** How many events the page has been told of. */
  fired = 0;
  /** When the way was free again. */
  freeAt: number | null = null;
  /** What a scenario found out beside. */
  readonly notes: Record<string, number> = {};
  readonly errors: Error[] = [];

  private constructor(ground: Ground, index: number, gate: Gate, context: BrowserContext) {
    this.ground = ground;
    this.index = index;
    this.gate = gate;
    this.context = context;
    this.run = `${(Visit.#runs++).toString(36)}x${Date.now().toString(36)}`;
  }

  static #runs = 0;

  static async begin(ground: Ground, index: number): Promise<Visit> {
    const gate = await openGate(ground.upstream);
    const context = await ground.profiles.open();
    return new Visit(ground, index, gate, context);
  }

  async end(): Promise<void> {
    await this.context.close();
    await this.gate.close();
  }

  address(path: string): string {
    return this.ground.pages.address(path, { url: this.gate.url, key: this.ground.key });
  }

  /** Opens a page in a new tab. */
  async open(path: string): Promise<Page> {
    const page = await this.context.newPage();
    page.on('pageerror', (error) => this.errors.push(error));
    await page.goto(this.address(path));
    return page;
  }

  /** Opens the page that the scenario is about and lets its page view arrive; some trackers wait for seconds with it. */
  async arrive(path: string): Promise<void> {
    this.page = await this.open(path);
    const isSettled = () => this.gate.passed.some(({ method, status }) => method !== 'OPTIONS' && status > 0);
    await until(isSettled, 1_500);
  }

  /** Calls the tracker in one task. */
  async fire(count: number, { bytes = 0, page = this.page } = {}): Promise<void> {
    const from = this.fired;
    this.fired += count;
    await page.evaluate(([run, from, count, bytes]) => window.fire(run, from, count, bytes), [
      this.run,
      from,
      count,
      bytes,
    ] as const);
  }

  /** Calls the tracker and leaves to a page without it, in one task. */
  async fireAndLeave(count: number, bytes = 0): Promise<void> {
    const from = this.fired;
    this.fired += count;
    await this.page.evaluate(
      ([run, from, count, bytes, next]) => {
        window.fire(run, from, count, bytes);
        location.href = next;
      },
      [this.run, from, count, bytes, this.address('/plain')] as const,
    );
    await this.page.waitForURL('**/plain**');
  }

  /** Notes that nothing is in the way from now on. */
  free(): void {
    this.freeAt = performance.now();
  }

  /** How often each event of this visit is there. */
  async copies(): Promise<Map<string, number>> {
    return (await this.ground.copiesOf?.(this.run)) ?? this.gate.accepted;
  }

  /** Waits until everything fired is there. Gives how long after `freeAt` that was, or null if it did not come. */
  async arrived(timeoutMs: number): Promise<number | null> {
    const wanted = Array.from({ length: this.fired }, (_, n) => markOf(this.run, n));
    const deadline = performance.now() + timeoutMs;
    const isAccepted = () => wanted.every((mark) => this.gate.accepted.has(mark));
    if (!(await until(isAccepted, timeoutMs))) return null;
    const isThere = async () => (await this.copies()).size >= this.fired;
    if (!(await until(isThere, Math.max(deadline - performance.now(), 5_000)))) return null;
    return (performance.now() - (this.freeAt ?? deadline - timeoutMs)) / 1_000;
  }
}

/** Waits until `fact` holds; false if it never does. */
export async function until(fact: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!(await fact())) {
    if (performance.now() > deadline) return false;
    await sleep(25);
  }
  return true;
}
