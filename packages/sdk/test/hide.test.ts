import { createHash } from 'node:crypto';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { hide, hideCode } from '../src/hide.ts';
import { launchBrowser } from './support/browser.ts';
import { bundleOf } from './support/bundle.ts';
import { runCollector } from './support/collector.ts';
import { frontOf, servePages, type Front } from './support/front.ts';
import { until } from './support/visit.ts';

let browser: Browser;
let context: BrowserContext;
let collector: Awaited<ReturnType<typeof runCollector>>;
let front: Front;
let site: Awaited<ReturnType<typeof servePages>>;

const marked =
  '<p>Always</p><p data-milepost-hide id="offer">Offer <b style="visibility: visible">now</b></p><p id="below">Below</p>';

beforeAll(async () => {
  collector = await runCollector({ roles: 'api' });
  front = await frontOf(() => collector.url);
  const script = await bundleOf(`
    import { createTracker } from '../../src/index.ts';
    import { journey } from '../../src/plugins/journey.ts';
    const milepost = createTracker({
      writeKey: '${collector.writeKey}', host: '${front.url}', plugins: [journey()],
    });
    milepost.journey().then((own) => {
      document.querySelector('#offer').textContent = own ? 'Offer for you' : 'Offer for all';
    });`);
  const page = (src: string, body = marked) =>
    `<!doctype html>${hide()}<title>Shop</title>${body}<script async src="${src}"></script>`;
  site = await servePages({
    '/shop.js': () => script,
    '/': () => page('/shop.js'),
    '/blocked': () => page('/nothing.js'),
    '/hanging': () => page(`${front.url}/hanging.js`),
    '/strict': (_query, response) => {
      const hash = createHash('sha256').update(hideCode()).digest('base64');
      response.setHeader(
        'content-security-policy',
        `default-src 'none'; script-src 'sha256-${hash}' ${site.url}/shop.js; connect-src ${front.url}; require-trusted-types-for 'script'`,
      );
      return page('/shop.js', marked.replace(/ style="[^"]*"/, ''));
    },
  });
  browser = await launchBrowser();
});
beforeEach(async () => {
  front.answer();
  context = await browser.newContext();
});
afterEach(() => context.close());
afterAll(async () => {
  await browser.close();
  site.close();
  front.close();
  await collector.end();
});

/** Whether the marked element can be seen, and what it says. */
const offerIn = (page: Page) =>
  page.evaluate(() => {
    const offer = document.querySelector('#offer')!;
    return {
      isSeen: (offer.firstElementChild ?? offer).checkVisibility({
        opacityProperty: true,
        visibilityProperty: true,
      }),
      text: offer.textContent,
    };
  });

/** Opens a page whose timers wait to be told the time. */
async function openWithClock(path: string): Promise<Page> {
  const page = await context.newPage();
  await page.clock.install({ time: '2026-11-20T09:00:00Z' });
  await page.clock.pauseAt('2026-11-20T09:00:01Z');
  await page.goto(site.url + path, { waitUntil: 'domcontentloaded' });
  return page;
}

// from outside: frames of a page whose clock stands still do not come
const untilText = (page: Page, text: string) => until(text, async () => (await offerIn(page)).text === text);

test('shows what is marked as soon as the journey is known, with what the page made of it', async () => {
  const page = await openWithClock('/');
  await untilText(page, 'Offer for you');
  await page.clock.runFor(1);
  expect(await offerIn(page)).toEqual({ isSeen: true, text: 'Offer for you' });
});

test.each([
  { what: 'the collector never answers', path: '/', silent: '/v1/me' },
  { what: 'the script never loads', path: '/hanging', silent: '/hanging.js' },
  { what: 'the script is blocked', path: '/blocked', silent: '' },
])('shows it after 300 ms when $what', async ({ path, silent }) => {
  front.silence(silent);
  const page = await openWithClock(path);
  expect(await offerIn(page)).toEqual({ isSeen: false, text: 'Offer now' });
  await page.clock.runFor(299);
  expect((await offerIn(page)).isSeen).toBe(false);
  await page.clock.runFor(1);
  expect(await offerIn(page)).toEqual({ isSeen: true, text: 'Offer now' });
});

test('shows it at once when the collector is down', async () => {
  await collector.stop();
  const page = await openWithClock('/');
  await untilText(page, 'Offer for all');
  await page.clock.runFor(1);
  expect((await offerIn(page)).isSeen).toBe(true);
  await collector.start();
});

test('nothing shifts: what is hidden keeps its place', async () => {
  front.silence('/v1/me');
  const page = await context.newPage();
  await page.goto(site.url);
  const placeOfBelow = () =>
    page.evaluate(() => document.querySelector('#below')!.getBoundingClientRect().top);
  const before = await placeOfBelow();
  await page.waitForFunction(() =>
    document.querySelector('#offer')!.checkVisibility({ visibilityProperty: true }),
  );
  expect(await placeOfBelow()).toBe(before);
  const shifts = await page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const seen = new PerformanceObserver((list) => resolve(list.getEntries().length));
        seen.observe({ type: 'layout-shift', buffered: true });
        // two frames after it was shown there would be an entry
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(seen.takeRecords().length)));
      }),
  );
  expect(shifts).toBe(0);
});

test('a strict policy needs nothing but its hash', async () => {
  await context.addInitScript(() => {
    const violations: string[] = [];
    Object.assign(window, { violations });
    addEventListener('securitypolicyviolation', ({ violatedDirective }) =>
      violations.push(violatedDirective),
    );
  });
  front.silence('/v1/me');
  const page = await openWithClock('/strict');
  expect((await offerIn(page)).isSeen).toBe(false);
  await page.clock.runFor(300);
  expect((await offerIn(page)).isSeen).toBe(true);
  front.answer();
  await untilText(page, 'Offer for you');
  expect(await page.evaluate(() => (window as unknown as { violations: string[] }).violations)).toEqual([]);
});

test('a browser without what it needs hides nothing', async () => {
  const page = await context.newPage();
  await page.addInitScript(() => {
    Object.assign(window, { CSSStyleSheet: undefined });
  });
  front.silence('/v1/me');
  await page.goto(site.url);
  expect((await offerIn(page)).isSeen).toBe(true);
});
