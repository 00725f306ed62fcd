import type { BrowserContext, Page } from 'playwright-core';
import type { SnippetOptions } from '../../src/snippet.ts';
import type { Tracker } from '../../src/tracker.ts';

declare global {
  interface Window {
    milepost: Tracker;
  }
}

/** Address of a page of the test site, with tracker options of its own. */
export function pageAt(path: string, options?: Partial<SnippetOptions>): string {
  return options ? `${path}?options=${encodeURIComponent(JSON.stringify(options))}` : path;
}

/** Calls `track` for `count` events in one task. */
export async function trackMany(page: Page, name: string, { count = 1, bytes = 0 } = {}): Promise<void> {
  await page.evaluate(
    ([name, count, bytes]) => {
      for (let n = 0; n < count; n++) {
        // random, so that compression cannot make it small
        const filler = Array.from({ length: bytes / 10 }, () => Math.random().toString(36).slice(2, 12)).join(
          '',
        );
        window.milepost.track(name, { n, ...(bytes && { filler }) });
      }
    },
    [name, count, bytes] as const,
  );
}

/** Waits until `fact` holds; says what it was waiting for when it never does. */
export async function until(
  what: string,
  fact: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<number> {
  const start = Date.now();
  while (!(await fact())) {
    if (Date.now() - start > timeoutMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return Date.now() - start;
}

/** How many touchpoints wait in the browser's storage. */
export function queuedCount(page: Page): Promise<number> {
  return page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('milepost.q.')).length);
}

/** A page of the site, loaded, in `context`. */
export async function openPage(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  return page;
}
