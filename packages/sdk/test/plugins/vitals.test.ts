import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { goTo, switchTab, useWatched } from './watched.ts';

// The yardstick is Google's own library on the same page.

const pages = useWatched();
const library = readFileSync(
  fileURLToPath(import.meta.resolve('web-vitals')).replace(/\.js$/, '.iife.js'),
  'utf8',
);
const yardstick = `<script src="/web-vitals.js"></script><script>
  for (const name of ['onLCP', 'onINP', 'onCLS', 'onTTFB', 'onFCP']) {
    webVitals[name]((metric) => {
      const all = JSON.parse(localStorage.yardstick || '[]');
      localStorage.yardstick = JSON.stringify([...all, [metric.navigationType, metric.name, metric.value, metric.rating]]);
    });
  }
</script>`;

/** A page with something to paint, to shift and to wait for. */
const body = `${yardstick}<div id="top"></div><h1 style="font-size:60px">A shop</h1><p>Some words</p>
  <button onclick="const end = performance.now() + 120; while (performance.now() < end);">Slow</button>`;

/** What the library has said of a navigation of that type, as properties of `web_vitals`. */
async function measured(page: Page, type: string): Promise<Record<string, unknown>> {
  const all = await page.evaluate(
    () => JSON.parse(localStorage['yardstick'] ?? '[]') as [string, string, number, string][],
  );
  const properties: Record<string, unknown> = {};
  for (const [, name, value, rating] of all.filter(([of]) => of === type)) {
    properties[name.toLowerCase()] = +value.toFixed(4);
    properties[`rating_${name.toLowerCase()}`] = rating;
  }
  return properties;
}

const framesDrawn = (page: Page) =>
  page.evaluate(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))),
  );

/** Pushes the page down, twice in one window and once in another, and waits until the browser has told of it. */
const shift = (page: Page) =>
  page.evaluate(async () => {
    const shifted = () =>
      new Promise<void>((resolve) => {
        const observer = new PerformanceObserver(() => {
          observer.disconnect();
          resolve();
        });
        observer.observe({ type: 'layout-shift' });
      });
    const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms, 'nothing'));
    for (const [height, waitMs] of [
      [40, 0],
      [120, 100],
      [150, 1_100],
    ] as const) {
      await wait(waitMs);
      const told = shifted();
      // a busy machine may paint two heights in one frame, and then there was no shift: a little further, and again
      for (let more = 0, seen: unknown = 'nothing'; seen === 'nothing'; more += 3) {
        document.querySelector<HTMLElement>('#top')!.style.height = `${height + more}px`;
        seen = await Promise.race([told, wait(1_000)]);
      }
    }
  });

/** Clicks the slow button, and waits until the browser has told how slow it was. */
async function clickSlowly(page: Page) {
  await page.evaluate(() => {
    const global = window as unknown as { told: Promise<void> };
    global.told = new Promise((resolve) => {
      const observer = new PerformanceObserver((list) => {
        if (list.getEntries().some(({ duration, name }) => name === 'click' && duration > 100)) resolve();
      });
      observer.observe({ type: 'event', durationThreshold: 16 } as PerformanceObserverInit);
    });
  });
  await page.click('button');
  await page.evaluate(() => (window as unknown as { told: Promise<void> }).told);
  // the library looks at it when there is time, after a second at the latest
  await page.evaluate(
    () => new Promise<void>((resolve) => requestIdleCallback(() => resolve(), { timeout: 1_000 })),
  );
}

test('every value equals that of the web-vitals library', async () => {
  pages.files.set('/web-vitals.js', library);
  const page = await pages.watch({ vitals: {} }, body);
  await framesDrawn(page);
  await shift(page);
  await clickSlowly(page);
  await page.keyboard.press('Tab');
  await framesDrawn(page);
  await pages.leave(page);
  const told = pages.told('web_vitals');
  expect(told).toEqual([await measured(page, 'navigate')]);
  expect(Object.keys(told[0]!).sort()).toEqual(
    ['cls', 'fcp', 'inp', 'lcp', 'ttfb'].flatMap((name) => [name, `rating_${name}`]).sort(),
  );
  expect(told[0]!['inp']).toBeGreaterThanOrEqual(120);
  expect(told[0]!['cls']).toBeGreaterThan(0);
});

// The library and we are told of paints in turns; on a busy machine the page may be left between the two, so once more.
test('times of a prerendered page begin when it is shown', { retry: 2 }, async () => {
  pages.files.set('/web-vitals.js', library);
  await pages.context.addInitScript(() => {
    Object.defineProperty(PerformanceNavigationTiming.prototype, 'activationStart', { get: () => 15 });
  });
  const page = await pages.watch({ vitals: {} }, body);
  await framesDrawn(page);
  await pages.leave(page);
  expect(pages.told('web_vitals')).toEqual([await measured(page, 'prerender')]);
});

test('a page out of the back/forward cache is measured anew', async () => {
  pages.files.set('/web-vitals.js', library);
  const page = await pages.watch({ vitals: {} }, body);
  await framesDrawn(page);
  await clickSlowly(page);
  await switchTab(page);
  // the headless shell has no such cache, so its event is dispatched by hand
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
  await framesDrawn(page);
  await shift(page);
  await clickSlowly(page);
  await pages.leave(page);
  const [first, restored, ...more] = pages.told('web_vitals');
  expect(more).toEqual([]);
  expect(first).toMatchObject(
    await measured(page, 'navigate').then(({ cls, inp, lcp }) => ({ cls, inp, lcp })),
  );
  const expected = await measured(page, 'back-forward-cache');
  // both read the clock for themselves, in the same frame
  const near = (name: string) => expect.closeTo(expected[name] as number, -1);
  expect(restored).toEqual({ ...expected, lcp: near('lcp'), fcp: near('fcp') });
  expect(restored!['ttfb']).toBe(0);
});

test('a page view is told of once, however often its tab is left', async () => {
  const page = await pages.watch({ vitals: {} }, '<h1>A shop</h1>');
  await framesDrawn(page);
  await switchTab(page);
  await switchTab(page);
  await pages.leave(page);
  expect(pages.told('web_vitals')).toHaveLength(1);
});

test('of a page that was hidden before it had painted nothing is told', async () => {
  await pages.context.addInitScript(() =>
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => true }),
  );
  const page = await pages.watch({ vitals: {} }, '<h1>A shop</h1>');
  await framesDrawn(page);
  await page.evaluate(() => Object.defineProperty(document, 'hidden', { get: () => false }));
  await pages.leave(page);
  expect(pages.names()).toEqual(['page']);
});

test('a later view of a single-page app has CLS and INP of its own, and no times of loading', async () => {
  const page = await pages.watch(
    { vitals: {} },
    `<div id="top"></div><h1>A shop</h1>
    <button onclick="const end = performance.now() + 120; while (performance.now() < end);">Slow</button>`,
    { path: '/one' },
  );
  await framesDrawn(page);
  await shift(page);
  await goTo(pages, page, '/two');
  await clickSlowly(page);
  await goTo(pages, page, '/three');
  await pages.leave(page);
  const [one, two, three] = pages.sink.named('web_vitals');
  expect([one, two, three].map((told) => told!.context.page?.path)).toEqual(['/one', '/two', '/three']);
  expect(one!.properties).toMatchObject({ lcp: expect.any(Number), ttfb: expect.any(Number) });
  expect(one!.properties!['cls']).toBeGreaterThan(0);
  expect(Object.keys(two!.properties!).sort()).toEqual(['cls', 'inp', 'rating_cls', 'rating_inp']);
  expect(two!.properties).toMatchObject({ cls: 0, rating_cls: 'good' });
  expect(three!.properties).toEqual({ cls: 0, rating_cls: 'good' });
});
