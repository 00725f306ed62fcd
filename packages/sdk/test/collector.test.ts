import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type * as Sdk from '../src/index.ts';
import { launchBrowser } from './support/browser.ts';
import { builtSdk } from './support/built.ts';
import { proxyTo, runCollector } from './support/collector.ts';
import { serveSite, type Site } from './support/site.ts';
import { openPage, trackMany, until } from './support/visit.ts';

// What counts in the end: rows in PostgreSQL, by way of the real collector.

let browser: Browser;
let site: Site;
let collector: Awaited<ReturnType<typeof runCollector>>;
let proxy: Awaited<ReturnType<typeof proxyTo>>;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  collector = await runCollector();
  proxy = await proxyTo(() => collector.url);
  browser = await launchBrowser();
  site = await serveSite({ writeKey: collector.writeKey, host: proxy.url });
});
beforeEach(async () => {
  context = await browser.newContext();
  page = await openPage(context, `${site.url}/shop`);
});
afterEach(() => context.close());
afterAll(async () => {
  await browser.close();
  site.close();
  proxy.close();
  await collector.end();
});

/** Waits until so many are stored, and a moment longer for copies that should not be. */
async function expectStored(name: string, count: number) {
  await until(`${count} x ${name}`, async () => (await collector.stored(name)).length >= count);
  expect(await collector.stored(name)).toEqual(Array.from({ length: count }, () => 1));
}

test('page views and calls become rows, nothing is rejected', async () => {
  await trackMany(page, 'plain call', { count: 10 });
  await expectStored('plain call', 10);
  await until('the page view', async () => (await collector.stored('page_view')).length > 0);
  expect(await collector.rejected()).toBe(0);
});

test('leaving the page in the click handler', async () => {
  await page.evaluate(() =>
    document.querySelector('#next')!.addEventListener('click', () => {
      for (let n = 0; n < 3; n++) window.milepost.track('leaving', { n });
    }),
  );
  await page.click('#next');
  await page.waitForURL('**/next');
  await expectStored('leaving', 3);
  // the next page sent them again, perhaps: with the same ids
  await page.waitForTimeout(500);
  expect(await collector.stored('leaving')).toEqual([1, 1, 1]);
});

test('closing the tab', async () => {
  await trackMany(page, 'closing', { count: 3 });
  await page.close({ runBeforeUnload: true });
  await expectStored('closing', 3);
});

test('the collector down for five seconds', async () => {
  await collector.stop();
  await trackMany(page, 'outage', { count: 3 });
  await page.waitForTimeout(5_000);
  await collector.start();
  const startedAt = Date.now();
  await expectStored('outage', 3);
  expect(Date.now() - startedAt).toBeLessThan(3_000);
});

test('a 503, then a 429 with Retry-After', async () => {
  proxy.nextAnswers.push({ status: 503 }, { status: 429, headers: { 'retry-after': '1' } });
  await trackMany(page, 'refused twice', { count: 3 });
  await expectStored('refused twice', 3);
});

test('offline for three seconds', async () => {
  await context.setOffline(true);
  await trackMany(page, 'offline', { count: 3 });
  await page.waitForTimeout(3_000);
  await context.setOffline(false);
  await expectStored('offline', 3);
});

test('100 x 2 KB in one task, then leaving', async () => {
  await trackMany(page, 'burst', { count: 100, bytes: 2_000 });
  await page.goto(`${site.url}/next`);
  await expectStored('burst', 100);
});

test('one touchpoint of 80 KB', async () => {
  await trackMany(page, 'big', { bytes: 80_000 });
  await expectStored('big', 1);
});

test('one touchpoint over 128 KiB is lost, and counted', async () => {
  await trackMany(page, 'too big', { bytes: 140_000 });
  await trackMany(page, 'after it');
  await expectStored('after it', 1);
  await until('the count', async () => (await collector.lost('too_large')) === 1);
  expect(await collector.stored('too big')).toEqual([]);
});

test('two tabs', async () => {
  const other = await openPage(context, `${site.url}/other`);
  await Promise.all([
    trackMany(page, 'from one', { count: 20 }),
    trackMany(other, 'from another', { count: 20 }),
  ]);
  await expectStored('from one', 20);
  await expectStored('from another', 20);
});

test('under Node, the packaged module', async () => {
  const { createTracker } = (await import(join(await builtSdk(), 'milepost.esm.js'))) as typeof Sdk;
  const tracker = createTracker({ writeKey: collector.writeKey, host: collector.url });
  tracker.identify('ada');
  tracker.track('from a server', { n: 1 });
  await tracker.flush();
  await expectStored('from a server', 1);
  expect(await collector.rejected()).toBe(0);
});

test('storage blocked', async () => {
  const blocked = await browser.newContext();
  await blocked.addInitScript(() =>
    Object.defineProperty(window, 'localStorage', {
      get() {
        throw new DOMException('denied', 'SecurityError');
      },
    }),
  );
  proxy.nextAnswers.push({ status: 503 });
  await trackMany(await openPage(blocked, site.url), 'blocked', { count: 3 });
  await expectStored('blocked', 3);
  await blocked.close();
});
