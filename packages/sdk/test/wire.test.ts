import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { openPage, queuedCount, trackMany, until } from './support/visit.ts';
import { useWorld } from './support/world.ts';

// What leaves the browser, and when.

const world = useWorld();

/** Watches the page's own requests from inside: how many bytes were on their way with keepalive at most, and without. */
async function watchFetch(page: Page) {
  await page.addInitScript(() => {
    const seen = { keepalive: 0, most: 0, plain: [] as number[] };
    Object.assign(window, { seen });
    const original = window.fetch;
    window.fetch = async (url, init) => {
      const { size } = init!.body as Blob;
      if (!init!.keepalive) seen.plain.push(size);
      else seen.keepalive += size;
      seen.most = Math.max(seen.most, seen.keepalive);
      try {
        return await original(url, init);
      } finally {
        if (init!.keepalive) seen.keepalive -= size;
      }
    };
  });
  return () => page.evaluate(() => (window as never as { seen: { most: number; plain: number[] } }).seen);
}

test('a call is in the durable queue before it returns', async () => {
  const page = await world.settledPage();
  // In one task, since what waited before may be sent at any moment.
  const added = await page.evaluate(() => {
    const keys = () => Object.keys(localStorage).filter((key) => key.startsWith('milepost.q.'));
    const before = keys();
    window.milepost.track('at once', { n: 1 });
    return keys()
      .filter((key) => !before.includes(key))
      .map((key) => localStorage.getItem(key));
  });
  expect(added).toHaveLength(1);
  expect(JSON.parse(added[0]!)).toMatchObject({ name: 'at once', properties: { n: 1 } });
});

test('what touchpoints have in common is sent once, and only what is large is compressed', async () => {
  const page = await world.settledPage();
  await trackMany(page, 'small', { count: 2 });
  await until('the small ones', () => world.sink.named('small').length === 2);
  const small = world.sink.posts.at(-1)!;
  expect(small.body.context).toMatchObject({ page: { path: '/shop' }, library: { name: '@milepost/sdk' } });
  expect(small.body.batch.map(({ context }) => context)).toEqual([{}, {}]);
  expect(small.bytes).toBe(JSON.stringify(small.body).length);
  await page.evaluate(() => {
    for (let n = 0; n < 50; n++) window.milepost.track('alike', { text: 'the same words again and again' });
  });
  await until('the large ones', () => world.sink.named('alike').length === 50);
  const large = world.sink.posts.at(-1)!;
  expect(large.bytes).toBeLessThan(JSON.stringify(large.body).length / 2);
  expect(large.headers).toMatchObject({ 'content-type': 'text/plain' });
  expect(world.sink.requests.filter(({ method }) => method === 'OPTIONS')).toEqual([]);
});

test('requests in flight share the 64 KiB of keepalive, also when the page is hidden', async () => {
  world.sink.answerAfterMs = 300;
  const page = await world.context.newPage();
  const seen = await watchFetch(page);
  await page.goto(`${world.site.url}/shop`);
  await trackMany(page, 'burst', { count: 100, bytes: 2_000 });
  await page.evaluate(() => dispatchEvent(new Event('pagehide')));
  await trackMany(page, 'more', { count: 20, bytes: 2_000 });
  await page.evaluate(() => dispatchEvent(new Event('pagehide')));
  await until(
    'all',
    () => world.sink.named('burst').length + world.sink.named('more').length === 120,
    20_000,
  );
  const { most } = await seen();
  expect(most).toBeGreaterThan(40_000);
  expect(most).toBeLessThanOrEqual(65_536);
});

test('one touchpoint too large for keepalive goes alone, by plain fetch', async () => {
  const page = await world.context.newPage();
  const seen = await watchFetch(page);
  await page.goto(`${world.site.url}/shop`);
  await until('the page view', () => world.sink.named('page').length === 1);
  await trackMany(page, 'large', { bytes: 110_000 });
  await trackMany(page, 'beside');
  await until('both', () => world.sink.named('large').length + world.sink.named('beside').length === 2);
  const [size] = (await seen()).plain;
  expect(size).toBeGreaterThan(65_536);
  expect(world.sink.posts.find(({ bytes }) => bytes === size)!.body.batch).toHaveLength(1);
});

test('back online, what waited long is sent at once', async () => {
  const page = await world.settledPage();
  // after a 404 it waits for minutes
  world.sink.nextAnswers.push({ status: 404 });
  await trackMany(page, 'waiting');
  await until('the refusal', () => world.sink.posts.at(-1)!.status === 404);
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await until('the touchpoint', () => world.sink.named('waiting').length === 1, 10_000);
});

test('422 drops the batch, 403 and 404 keep it', async () => {
  const page = await world.settledPage();
  world.sink.nextAnswers.push({ status: 422 });
  await trackMany(page, 'malformed');
  await until('an empty queue', async () => (await queuedCount(page)) === 0);
  for (const status of [403, 404]) {
    world.sink.nextAnswers.push({ status });
    await trackMany(page, `after ${status}`);
    await until(`the ${status}`, () => world.sink.posts.at(-1)!.status === status);
    await page.evaluate(() => window.milepost.flush());
    expect(world.sink.named(`after ${status}`)).toHaveLength(1);
  }
  expect(world.sink.named('malformed')).toHaveLength(0);
});

test('each loss has a name, and the collector hears of it', async () => {
  const page = await openPage(world.context, `${world.site.url}/plain`);
  const old = '017f22e2-79b0-7cc3-98c4-dc0c0c07398f'; // made in 2022
  await page.evaluate((old) => {
    localStorage.setItem(`milepost.q.wk_test.${old}`, JSON.stringify({ id: old, name: 'old' }));
    localStorage.setItem('milepost.q.wk_test.junk', 'junk');
  }, old);
  await world.sink.close();
  await page.goto(`${world.site.url}/shop`);
  await trackMany(page, 'many', { count: 1_005 });
  await page.evaluate(() => {
    window.milepost.use(({ filter }) => {
      filter((event) => {
        if (event.name === 'broken') throw new Error('a filter that throws');
        return event;
      });
    });
    window.milepost.track('broken');
    window.milepost.track('endless', { now: 1n });
  });
  await world.sink.listen();
  await until('the youngest', () =>
    world.sink.named('many').some(({ properties }) => properties!['n'] === 1_004),
  );
  await until('an empty queue', async () => (await queuedCount(page)) === 0);
  const lost = world.sink.posts.map(({ body }) => body.lost).filter(Boolean);
  // 1,000 fit; the page view and five calls were the oldest
  expect(lost).toEqual([{ expired: 2, filter_failed: 1, unreadable: 1, queue_full: 6 }]);
  expect(world.sink.named('many')).toHaveLength(1_000);
});

test('a page that may store nothing at all, not even ask, sends from memory', async () => {
  const page = await openPage(world.context, `${world.site.url}/plain`);
  const errors: Error[] = [];
  page.on('pageerror', (error) => errors.push(error));
  // an opaque origin: storage, cookies and locks throw
  await page.evaluate((url) => {
    const frame = document.createElement('iframe');
    frame.sandbox.add('allow-scripts');
    frame.src = url;
    document.body.append(frame);
  }, `${world.site.url}/framed`);
  await until('its page view', () => world.sink.named('page').length === 1);
  const frame = page.frames()[1]!;
  await frame.evaluate(() => window.milepost.track('from the box'));
  await until('its call', () => world.sink.named('from the box').length === 1);
  expect(world.sink.named('from the box')[0]!.anonymous_id).toBe(world.sink.named('page')[0]!.anonymous_id);
  expect(errors).toEqual([]);
});
