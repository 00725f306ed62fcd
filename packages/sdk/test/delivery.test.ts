import { createTracker } from '../src/index.ts';
import { expect, test } from 'vitest';
import { openPage, queuedCount, trackMany, until } from './support/visit.ts';
import { useWorld } from './support/world.ts';

const world = useWorld();

test('ten calls in a row are one request without preflight and under 200 bytes each', async () => {
  const page = await world.settledPage();
  const before = world.sink.requests.length;
  await trackMany(page, 'thing', { count: 10 });
  await until('ten things', () => world.sink.named('thing').length === 10);
  const requests = world.sink.requests.slice(before);
  expect(requests.map(({ method }) => method)).toEqual(['POST']);
  expect(requests[0]!.headers['content-type']).toBe('text/plain');
  expect(requests[0]!.bytes / 10).toBeLessThan(200);
  await until('an empty queue', async () => (await queuedCount(page)) === 0);
});

test('a call in the click that leaves the page arrives, and a resend keeps its id and time', async () => {
  const page = await world.settledPage();
  await page.evaluate(() =>
    document.querySelector('#next')!.addEventListener('click', () => window.milepost.track('left')),
  );
  await page.click('#next');
  await page.waitForURL('**/next');
  await until('the page view of the next page', () => world.sink.named('page').length === 2);
  const copies = world.sink.accepted.filter(({ name }) => name === 'left');
  expect(new Set(copies.map(({ id, occurred_at }) => `${id} ${occurred_at}`)).size).toBe(1);
});

test('a call just before the tab is closed arrives', async () => {
  const page = await world.settledPage();
  await trackMany(page, 'last words', { count: 3 });
  await page.close({ runBeforeUnload: true });
  await until('the last words', () => world.sink.named('last words').length === 3);
});

test('what was called before the script arrived is replayed with its own time', async () => {
  await world.context.route('**/milepost.js', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 600));
    await route.continue();
  });
  const page = await world.context.newPage();
  await page.goto(world.site.url, { waitUntil: 'commit' });
  await page.waitForFunction(() => 'milepost' in window);
  const calledAt = await page.evaluate(() => {
    window.milepost.identify('ada');
    window.milepost.track('early', { of: 'stub' });
    return Date.now();
  });
  await until('the early call', () => world.sink.named('early').length === 1);
  const [early] = world.sink.named('early');
  expect(early).toMatchObject({ user_id: 'ada', properties: { of: 'stub' } });
  expect(Math.abs(Date.parse(early!.occurred_at) - calledAt)).toBeLessThan(50);
  expect(Date.parse(world.sink.named('page')[0]!.occurred_at)).toBeLessThan(calledAt);
});

test('a collector that is down for five seconds loses nothing and gets it within two seconds', async () => {
  const page = await world.settledPage();
  await world.sink.close();
  await trackMany(page, 'while down', { count: 3 });
  await page.waitForTimeout(5_000);
  await world.sink.listen();
  const tookMs = await until('the touchpoints', () => world.sink.named('while down').length === 3);
  expect(tookMs).toBeLessThan(2_000);
  expect(world.sink.accepted.filter(({ name }) => name === 'while down')).toHaveLength(3);
});

test('what could not be sent is sent by the next page', async () => {
  const page = await world.settledPage();
  await world.sink.close();
  await trackMany(page, 'while down', { count: 3 });
  await page.waitForTimeout(300);
  await page.goto(`${world.site.url}/later`);
  await world.sink.listen();
  await until('the touchpoints', () => world.sink.named('while down').length === 3);
  expect(world.sink.named('while down')[0]!.context.page?.path).toBe('/shop');
});

test('three seconds offline lose nothing', async () => {
  const page = await world.settledPage();
  await world.context.setOffline(true);
  await trackMany(page, 'in the tunnel', { count: 3 });
  await page.waitForTimeout(3_000);
  await world.context.setOffline(false);
  const tookMs = await until('the touchpoints', () => world.sink.named('in the tunnel').length === 3);
  expect(tookMs).toBeLessThan(2_000);
});

test.each(['stays', 'leaves'])('100 x 2 KB in one task arrive when the page %s', async (what) => {
  const page = await world.settledPage();
  await trackMany(page, 'burst', { count: 100, bytes: 2_000 });
  if (what === 'leaves') await page.goto(`${world.site.url}/next`);
  await until('all of the burst', () => world.sink.named('burst').length === 100);
  await until('an empty queue', async () => (await queuedCount(page)) === 0);
});

test('a touchpoint of 80 KB arrives, one over 128 KiB is counted as too large', async () => {
  const page = await world.settledPage();
  await trackMany(page, 'bigger', { bytes: 140_000 });
  await trackMany(page, 'big', { bytes: 80_000 });
  await until('the big one', () => world.sink.named('big').length === 1);
  expect(world.sink.posts.at(-1)!.body.lost).toEqual({ too_large: 1 });
  await trackMany(page, 'afterwards');
  await until('the one afterwards', () => world.sink.named('afterwards').length === 1);
  expect(world.sink.posts.at(-1)!.body.lost).toBeUndefined();
  expect(world.sink.named('bigger')).toHaveLength(0);
});

test.each([{ locks: 'with Web Locks' }, { locks: 'without Web Locks' }])(
  'two tabs share the queue and send nothing twice, $locks',
  async ({ locks }) => {
    if (locks === 'without Web Locks') {
      await world.context.addInitScript(() =>
        Object.defineProperty(navigator, 'locks', { value: undefined }),
      );
    }
    world.sink.answerAfterMs = 100;
    const pages = await Promise.all([
      openPage(world.context, `${world.site.url}/one`),
      openPage(world.context, `${world.site.url}/two`),
    ]);
    const [first] = pages;
    for (let round = 0; round < 4; round++) {
      await Promise.all(pages.map((page) => trackMany(page, 'shared', { count: 5 })));
      await first.waitForTimeout(round * 100);
    }
    await until('all of them', () => world.sink.named('shared').length === 40);
    await until('an empty queue', async () => (await queuedCount(first)) === 0);
    await first.waitForTimeout(400);
    const ids = world.sink.accepted.map(({ id }) => id);
    expect(ids).toHaveLength(new Set(ids).size);
    expect(new Set(world.sink.named('shared').map(({ anonymous_id }) => anonymous_id)).size).toBe(1);
  },
);

test('a crash of the page 150 ms after the call loses nothing', async () => {
  world.sink.answerAfterMs = 1_000;
  const page = await openPage(world.context, `${world.site.url}/shop`);
  await world.sink.close();
  await trackMany(page, 'before the crash', { count: 3 });
  await page.waitForTimeout(150);
  await page.goto('chrome://crash').catch(() => undefined);
  await page.close();
  await world.sink.listen();
  await openPage(world.context, `${world.site.url}/again`);
  await until('the touchpoints', () => world.sink.named('before the crash').length === 3);
});

test('blocked storage means a queue in memory and no exception', async () => {
  await world.context.addInitScript(() =>
    Object.defineProperty(window, 'localStorage', {
      get() {
        throw new DOMException('denied', 'SecurityError');
      },
    }),
  );
  const page = await world.context.newPage();
  const errors: Error[] = [];
  page.on('pageerror', (error) => errors.push(error));
  await page.goto(world.site.url);
  world.sink.nextAnswers.push({ status: 503 });
  await trackMany(page, 'unstored', { count: 3 });
  await until('the touchpoints', () => world.sink.named('unstored').length === 3);
  expect(errors).toEqual([]);
});

test('full storage means a queue in memory and no exception', async () => {
  const page = await openPage(world.context, `${world.site.url}/plain`);
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
  await page.goto(`${world.site.url}/shop`);
  await trackMany(page, 'unstored', { count: 50, bytes: 500 });
  await until('the touchpoints', () => world.sink.named('unstored').length === 50);
  expect(errors).toEqual([]);
});

test('under Node, without a page, calls are sent by fetch', async () => {
  const tracker = createTracker({ writeKey: 'wk_test', host: world.sink.url });
  tracker.identify('ada');
  tracker.track('from the server');
  await tracker.flush();
  expect(world.sink.named('from the server')).toMatchObject([{ user_id: 'ada', source: 'server' }]);
  expect(world.sink.named('from the server')[0]).not.toHaveProperty('anonymous_id');
});
