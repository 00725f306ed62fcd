import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTracker } from '../src/index.ts';
import { launchBrowser } from './support/browser.ts';
import { Sink } from './support/sink.ts';
import { serveSite, type Site } from './support/site.ts';
import { openPage, pageAt, queuedCount, trackMany, until } from './support/visit.ts';

let browser: Browser;
let site: Site;
let sink: Sink;
let context: BrowserContext;

beforeAll(async () => {
  sink = new Sink();
  await sink.listen();
  [browser, site] = await Promise.all([launchBrowser(), serveSite({ writeKey: 'wk_test', host: sink.url })]);
});
beforeEach(async () => {
  sink.reset();
  context = await browser.newContext();
});
afterEach(() => context.close());
afterAll(async () => {
  await browser.close();
  site.close();
  await sink.close();
});

/** A page whose own page view has arrived already. */
async function settledPage(path = '/shop'): Promise<Page> {
  const page = await openPage(context, site.url + path);
  await until('the page view', () => sink.named('page').length > 0);
  return page;
}

test('ten calls in a row are one request without preflight and under 200 bytes each', async () => {
  const page = await settledPage();
  const before = sink.requests.length;
  await trackMany(page, 'thing', { count: 10 });
  await until('ten things', () => sink.named('thing').length === 10);
  const requests = sink.requests.slice(before);
  expect(requests.map(({ method }) => method)).toEqual(['POST']);
  expect(requests[0]!.headers['content-type']).toBe('text/plain');
  expect(requests[0]!.bytes / 10).toBeLessThan(200);
  await until('an empty queue', async () => (await queuedCount(page)) === 0);
});

test('a call in the click that leaves the page arrives, and a resend keeps its id and time', async () => {
  const page = await settledPage();
  await page.evaluate(() =>
    document.querySelector('#next')!.addEventListener('click', () => window.milepost.track('left')),
  );
  await page.click('#next');
  await page.waitForURL('**/next');
  await until('the page view of the next page', () => sink.named('page').length === 2);
  const copies = sink.accepted.filter(({ name }) => name === 'left');
  expect(new Set(copies.map(({ id, occurred_at }) => `${id} ${occurred_at}`)).size).toBe(1);
});

test('a call just before the tab is closed arrives', async () => {
  const page = await settledPage();
  await trackMany(page, 'last words', { count: 3 });
  await page.close({ runBeforeUnload: true });
  await until('the last words', () => sink.named('last words').length === 3);
});

test('what was called before the script arrived is replayed with its own time', async () => {
  await context.route('**/milepost.js', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 600));
    await route.continue();
  });
  const page = await context.newPage();
  await page.goto(site.url, { waitUntil: 'commit' });
  await page.waitForFunction(() => 'milepost' in window);
  const calledAt = await page.evaluate(() => {
    window.milepost.identify('ada');
    window.milepost.track('early', { of: 'stub' });
    return Date.now();
  });
  await until('the early call', () => sink.named('early').length === 1);
  const [early] = sink.named('early');
  expect(early).toMatchObject({ user_id: 'ada', properties: { of: 'stub' } });
  expect(Math.abs(Date.parse(early!.occurred_at) - calledAt)).toBeLessThan(50);
  expect(Date.parse(sink.named('page')[0]!.occurred_at)).toBeLessThan(calledAt);
});

test('a collector that is down for five seconds loses nothing and gets it within two seconds', async () => {
  const page = await settledPage();
  await sink.close();
  await trackMany(page, 'while down', { count: 3 });
  await page.waitForTimeout(5_000);
  await sink.listen();
  const tookMs = await until('the touchpoints', () => sink.named('while down').length === 3);
  expect(tookMs).toBeLessThan(2_000);
  expect(sink.accepted.filter(({ name }) => name === 'while down')).toHaveLength(3);
});

test('what could not be sent is sent by the next page', async () => {
  const page = await settledPage();
  await sink.close();
  await trackMany(page, 'while down', { count: 3 });
  await page.waitForTimeout(300);
  await page.goto(`${site.url}/later`);
  await sink.listen();
  await until('the touchpoints', () => sink.named('while down').length === 3);
  expect(sink.named('while down')[0]!.context.page?.path).toBe('/shop');
});

test('a 503 is tried again soon, with the same id and time', async () => {
  const page = await settledPage();
  sink.nextAnswers.push({ status: 503 });
  await trackMany(page, 'again');
  await until('the touchpoint', () => sink.named('again').length === 1);
  const [refused, accepted] = sink.posts.slice(-2);
  expect(refused!.status).toBe(503);
  expect(accepted!.body.batch).toEqual(refused!.body.batch);
});

test('Retry-After is obeyed, by the next page too', async () => {
  const page = await settledPage();
  sink.nextAnswers.push({ status: 429, headers: { 'retry-after': '2' } });
  await trackMany(page, 'patient');
  await until('the refusal', () => sink.posts.at(-1)!.status === 429);
  const refusedAt = sink.posts.at(-1)!.at;
  await page.waitForFunction(() => Object.keys(localStorage).some((key) => key.startsWith('milepost.wait.')));
  await page.goto(`${site.url}/next`);
  await until('the touchpoint', () => sink.named('patient').length === 1);
  expect(sink.posts.at(-1)!.at - refusedAt).toBeGreaterThanOrEqual(1_950);
  expect(sink.posts.filter(({ at }) => at > refusedAt)).toHaveLength(1);
});

test('three seconds offline lose nothing', async () => {
  const page = await settledPage();
  await context.setOffline(true);
  await trackMany(page, 'in the tunnel', { count: 3 });
  await page.waitForTimeout(3_000);
  await context.setOffline(false);
  const tookMs = await until('the touchpoints', () => sink.named('in the tunnel').length === 3);
  expect(tookMs).toBeLessThan(2_000);
});

test.each(['stays', 'leaves'])('100 x 2 KB in one task arrive when the page %s', async (what) => {
  const page = await settledPage();
  await trackMany(page, 'burst', { count: 100, bytes: 2_000 });
  if (what === 'leaves') await page.goto(`${site.url}/next`);
  await until('all of the burst', () => sink.named('burst').length === 100);
  await until('an empty queue', async () => (await queuedCount(page)) === 0);
});

test('a touchpoint of 80 KB arrives, one over 128 KiB is counted as too large', async () => {
  const page = await settledPage();
  await trackMany(page, 'bigger', { bytes: 140_000 });
  await trackMany(page, 'big', { bytes: 80_000 });
  await until('the big one', () => sink.named('big').length === 1);
  expect(sink.posts.at(-1)!.body.lost).toEqual({ too_large: 1 });
  await trackMany(page, 'afterwards');
  await until('the one afterwards', () => sink.named('afterwards').length === 1);
  expect(sink.posts.at(-1)!.body.lost).toBeUndefined();
  expect(sink.named('bigger')).toHaveLength(0);
});

test.each([{ locks: 'with Web Locks' }, { locks: 'without Web Locks' }])(
  'two tabs share the queue and send nothing twice, $locks',
  async ({ locks }) => {
    if (locks === 'without Web Locks') {
      await context.addInitScript(() => Object.defineProperty(navigator, 'locks', { value: undefined }));
    }
    sink.answerAfterMs = 100;
    const pages = await Promise.all([
      openPage(context, `${site.url}/one`),
      openPage(context, `${site.url}/two`),
    ]);
    const [first] = pages;
    for (let round = 0; round < 4; round++) {
      await Promise.all(pages.map((page) => trackMany(page, 'shared', { count: 5 })));
      await first.waitForTimeout(round * 100);
    }
    await until('all of them', () => sink.named('shared').length === 40);
    await until('an empty queue', async () => (await queuedCount(first)) === 0);
    await first.waitForTimeout(400);
    const ids = sink.accepted.map(({ id }) => id);
    expect(ids).toHaveLength(new Set(ids).size);
    expect(new Set(sink.named('shared').map(({ anonymous_id }) => anonymous_id)).size).toBe(1);
  },
);

test('a crash of the page 150 ms after the call loses nothing', async () => {
  sink.answerAfterMs = 1_000;
  const page = await openPage(context, `${site.url}/shop`);
  await sink.close();
  await trackMany(page, 'before the crash', { count: 3 });
  await page.waitForTimeout(150);
  await page.goto('chrome://crash').catch(() => undefined);
  await page.close();
  await sink.listen();
  await openPage(context, `${site.url}/again`);
  await until('the touchpoints', () => sink.named('before the crash').length === 3);
});

test('blocked storage means a queue in memory and no exception', async () => {
  await context.addInitScript(() =>
    Object.defineProperty(window, 'localStorage', {
      get() {
        throw new DOMException('denied', 'SecurityError');
      },
    }),
  );
  const page = await context.newPage();
  const errors: Error[] = [];
  page.on('pageerror', (error) => errors.push(error));
  await page.goto(site.url);
  sink.nextAnswers.push({ status: 503 });
  await trackMany(page, 'unstored', { count: 3 });
  await until('the touchpoints', () => sink.named('unstored').length === 3);
  expect(errors).toEqual([]);
});

test('full storage means a queue in memory and no exception', async () => {
  const page = await openPage(context, `${site.url}/plain`);
  const errors: Error[] = [];
  page.on('pageerror', (error) => errors.push(error));
  await page.evaluate(() => {
    for (let size = 1 << 20; size >= 1; size >>= 1) {
      for (let n = 0; n < 12; n++) {
        try {
          localStorage.setItem(`filler ${size} ${n}`, 'x'.repeat(size));
        } catch {
          break; // full for this size
        }
      }
    }
  });
  await page.goto(`${site.url}/shop`);
  await trackMany(page, 'unstored', { count: 50, bytes: 500 });
  await until('the touchpoints', () => sink.named('unstored').length === 50);
  expect(errors).toEqual([]);
});

test('only what the collector has judged leaves the queue', async () => {
  const page = await settledPage();
  const warnings: string[] = [];
  page.on('console', (message) => warnings.push(message.text()));
  sink.decide = ({ batch }) => ({
    status: 200,
    body: {
      results: batch
        .slice(0, 2)
        .map(({ id }, n) => ({ id, status: n ? 'rejected' : 'accepted', ...(n && { reason: 'invalid' }) })),
    },
  });
  await trackMany(page, 'judged', { count: 5 });
  await until('an empty queue', async () => (await queuedCount(page)) === 0);
  const sent = sink.posts.slice(1).map(({ body }) => body.batch.map(({ properties }) => properties!['n']));
  expect(sent).toEqual([[0, 1, 2, 3, 4], [2, 3, 4], [4]]);
  expect(warnings).toEqual(['milepost: rejected: invalid ']);
});

test('400 drops the batch with a counted reason, 413 splits it', async () => {
  const page = await settledPage();
  sink.nextAnswers.push({ status: 400 });
  await trackMany(page, 'malformed', { count: 2 });
  await until('the refusal', () => sink.posts.at(-1)!.status === 400);
  sink.decide = ({ batch }) => (batch.length > 3 ? { status: 413 } : undefined);
  await trackMany(page, 'heavy', { count: 10 });
  await until('all of them', () => sink.named('heavy').length === 10);
  const told = sink.posts.filter(({ body, status }) => body.lost && status === 200);
  expect(told.map(({ body }) => body.lost)).toEqual([{ rejected: 2 }]);
});

test('under Node, without a page, calls are sent by fetch', async () => {
  const tracker = createTracker({ writeKey: 'wk_test', host: sink.url });
  tracker.identify('ada');
  tracker.track('from the server');
  await tracker.flush();
  expect(sink.named('from the server')).toMatchObject([{ user_id: 'ada', source: 'server' }]);
  expect(sink.named('from the server')[0]).not.toHaveProperty('anonymous_id');
});

test('401 keeps everything and warns once', async () => {
  const page = await settledPage();
  const warnings: string[] = [];
  page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
  sink.decide = () => ({ status: 401 });
  await trackMany(page, 'kept', { count: 3 });
  await until('the refusal', () => sink.posts.at(-1)!.status === 401);
  await trackMany(page, 'kept too');
  await page.waitForTimeout(500);
  expect(sink.posts.filter(({ status }) => status === 401)).toHaveLength(1);
  expect(await queuedCount(page)).toBe(4);
  expect(warnings).toEqual(['milepost: the collector refuses; check writeKey, host and allowed origins']);
  sink.decide = () => undefined;
  await page.goto(pageAt(`${site.url}/next`));
  await until('all of them', () => sink.named('kept').length + sink.named('kept too').length === 4);
});
