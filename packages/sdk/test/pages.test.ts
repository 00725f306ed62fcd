import { expect, test } from 'vitest';
import { openPage, pageAt, trackMany, until } from './support/visit.ts';
import { useWorld } from './support/world.ts';

const world = useWorld();

test('the landing page says where the visitor came from and what with', async () => {
  const page = await world.context.newPage();
  await page.goto(
    `${world.site.url}/land?utm_source=news&utm_medium=email&utm_campaign=spring&utm_term=&gclid=abc#secret`,
    {
      referer: 'https://search.example/q',
    },
  );
  await until('the page view', () => world.sink.named('page').length === 1);
  const [view] = world.sink.named('page');
  expect(view!.id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  expect(view!.context).toEqual({
    library: { name: '@milepost/sdk', version: expect.any(String) },
    device: { type: 'desktop' },
    userAgent: await page.evaluate(() => navigator.userAgent),
    locale: expect.any(String),
    timezone: expect.any(String),
    campaign: { source: 'news', medium: 'email', name: 'spring' },
    click_ids: { gclid: 'abc' },
    page: {
      url: `${world.site.url}/land?utm_source=news&utm_medium=email&utm_campaign=spring&utm_term=&gclid=abc`,
      path: '/land',
      title: '/land',
      referrer: 'https://search.example/q',
    },
  });
});

test('a single-page app gets a page view for each change of path or query', async () => {
  const page = await openPage(world.context, `${world.site.url}/one`);
  const go = (call: 'pushState' | 'replaceState', url: string, title: string) =>
    page.evaluate(
      ([call, url, title]) => {
        history[call](null, '', url);
        document.title = title; // routers do it afterwards
        return new Promise((resolve) => setTimeout(resolve, 20));
      },
      [call, url, title] as const,
    );
  await go('replaceState', '/one', 'same');
  await go('pushState', '/one#part', 'same');
  await go('pushState', '/two', 'Two');
  await go('pushState', '/two?color=red', 'Two, red');
  await page.goBack();
  await until('the page views', () => world.sink.named('page').length === 4);
  expect(
    world.sink
      .named('page')
      .map(({ context }) => [context.page!.url.slice(world.site.url.length), context.page!.title]),
  ).toEqual([
    ['/one', '/one'],
    ['/two', 'Two'],
    ['/two?color=red', 'Two, red'],
    ['/two', 'Two, red'],
  ]);
  expect(
    world.sink.named('page').map(({ context }) => context.page!.referrer.slice(world.site.url.length)),
  ).toEqual(['', '/one', '/two', '/two?color=red']);
});

test('engaged time is told for the page it was spent on', async () => {
  const page = await openPage(world.context, `${world.site.url}/read?utm_source=news`);
  await page.waitForTimeout(1_200);
  await page.evaluate(() => history.pushState(null, '', '/other'));
  await page.waitForTimeout(1_400);
  // Left, not closed: with its last tab a busy browser may go before what leaves with the page has left.
  await page.goto('about:blank');
  await until('two engagements', () => world.sink.named('user_engagement').length === 2);
  const [read, other] = world.sink.named('user_engagement');
  expect(read!.context.page?.path).toBe('/read');
  expect(read!.properties!['engagement_time_msec']).toBeGreaterThan(1_150);
  expect(read!.properties!['engagement_time_msec']).toBeLessThan(2_500);
  expect(other!.context.page?.path).toBe('/other');
});

test('a page out of the back/forward cache is viewed again, and sends', async () => {
  const page = await openPage(world.context, `${world.site.url}/one`);
  await until('the page view', () => world.sink.named('page').length === 1);
  // Chromium's headless shell has no such cache, so its events are dispatched by hand
  await page.evaluate(() => {
    dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
    dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
  });
  await until('the page view', () => world.sink.named('page').length === 2);
  await trackMany(page, 'back again');
  await until('the call', () => world.sink.named('back again').length === 1);
});

test('a prerendered page sends nothing until it is activated', async () => {
  await world.context.addInitScript(() => {
    let isPrerendering = true;
    Object.defineProperty(document, 'prerendering', { get: () => isPrerendering });
    addEventListener('activate', () => {
      isPrerendering = false;
      document.dispatchEvent(new Event('prerenderingchange'));
    });
  });
  const page = await openPage(world.context, `${world.site.url}/ahead`);
  await trackMany(page, 'ahead');
  await page.waitForTimeout(600);
  expect(world.sink.requests).toHaveLength(0);
  const activatedAt = await page.evaluate(() => {
    dispatchEvent(new Event('activate'));
    return Date.now();
  });
  await until('both', () => world.sink.accepted.length === 2);
  expect(world.sink.accepted.map(({ name, type }) => name ?? type)).toEqual(['page', 'ahead']);
  expect(Date.parse(world.sink.accepted[0]!.occurred_at)).toBeGreaterThanOrEqual(activatedAt - 20);
});

test('the visitor keeps one id in storage and cookie, until reset', async () => {
  const page = await openPage(world.context, `${world.site.url}/one`);
  await trackMany(page, 'before');
  await page.evaluate(() => {
    localStorage.clear(); // shops do that on logout
    window.milepost.identify('ada', { plan: 'pro' });
    window.milepost.group('acme');
    window.milepost.track('known');
    window.milepost.reset();
    window.milepost.track('after');
  });
  await until('all of it', () => world.sink.named('after').length === 1);
  const [identified] = world.sink.named('identify');
  const [known] = world.sink.named('known');
  const [after] = world.sink.named('after');
  expect(identified).toMatchObject({ user_id: 'ada', traits: { plan: 'pro' } });
  expect(known).toMatchObject({ user_id: 'ada', account_id: 'acme', anonymous_id: identified!.anonymous_id });
  expect(after).not.toHaveProperty('user_id');
  expect(after).not.toHaveProperty('account_id');
  expect(after!.anonymous_id).not.toBe(known!.anonymous_id);
  const [cookie] = await world.context.cookies();
  expect(cookie).toMatchObject({
    name: 'milepost_id',
    value: after!.anonymous_id,
    sameSite: 'Lax',
    path: '/',
  });
  await page.goto(`${world.site.url}/two`);
  await until('the next page', () => world.sink.named('page').length === 2);
  expect(world.sink.named('page')[1]!.anonymous_id).toBe(after!.anonymous_id);
});

test('pending consent keeps everything in memory, and a grant sends it with its own times', async () => {
  const url = pageAt(`${world.site.url}/one`, { consent: 'pending' });
  const page = await openPage(world.context, url);
  await trackMany(page, 'asked');
  const askedAt = Date.now();
  await page.waitForTimeout(700);
  expect(world.sink.requests).toHaveLength(0);
  expect(await page.evaluate(() => localStorage.length)).toBe(0);
  expect(await world.context.cookies()).toEqual([]);
  await page.evaluate(() => window.milepost.consent({ analytics: 'granted', marketing: 'denied' }));
  await until('what was asked', () => world.sink.named('asked').length === 1);
  expect(Date.parse(world.sink.named('asked')[0]!.occurred_at)).toBeLessThanOrEqual(askedAt);
  await page.goto(url);
  await until('the answer is remembered', () => world.sink.named('page').length === 2);
  expect(world.sink.named('page')[1]!.context['consent']).toEqual({
    analytics: 'granted',
    marketing: 'denied',
  });
});

test('denied consent sends nothing, removes what was kept, and is remembered', async () => {
  const page = await openPage(world.context, `${world.site.url}/one`);
  await until('the page view', () => world.sink.named('page').length === 1);
  await page.evaluate(() => {
    window.milepost.track('unsent');
    window.milepost.consent('denied');
    window.milepost.track('denied');
  });
  await page.waitForTimeout(400);
  await page.goto(`${world.site.url}/two`);
  await page.waitForTimeout(400);
  expect(world.sink.accepted.map(({ type }) => type)).toEqual(['page']);
  expect(await page.evaluate(() => Object.entries(localStorage))).toEqual([['milepost.consent', '"denied"']]);
  expect(await world.context.cookies()).toEqual([]);
});

test('Global Privacy Control is honoured, unless the site decides otherwise', async () => {
  await world.context.addInitScript(() =>
    Object.defineProperty(navigator, 'globalPrivacyControl', { value: true }),
  );
  const page = await openPage(world.context, `${world.site.url}/one`);
  await page.evaluate(() => window.milepost.consent('granted'));
  await trackMany(page, 'private');
  await page.waitForTimeout(500);
  expect(world.sink.requests).toHaveLength(0);
  expect(await world.context.cookies()).toEqual([]);
  await page.goto(pageAt(`${world.site.url}/two`, { privacySignals: 'ignore' }));
  await until('the page view', () => world.sink.named('page').length === 1);
});

test('the helpers send GA4 events under GA4 names', async () => {
  const page = await openPage(world.context, `${world.site.url}/one`);
  await page.evaluate(() => {
    const items = [{ item_id: 'SKU1', price: 12.5, quantity: 2 }];
    window.milepost.addToCart({ cart_id: 'c1', currency: 'EUR', value: 25, items });
    window.milepost.addShippingInfo({ cart_id: 'c1', shipping_tier: 'express' });
    window.milepost.purchase({ cart_id: 'c1', transaction_id: 'T1', currency: 'EUR', value: 25, items });
    window.milepost.search({ search_term: 'shoes' });
  });
  await until('the events', () => world.sink.accepted.length === 5);
  expect(world.sink.accepted.slice(1).map(({ name }) => name)).toEqual([
    'add_to_cart',
    'add_shipping_info',
    'purchase',
    'search',
  ]);
  expect(world.sink.named('purchase')[0]!.properties).toEqual({
    cart_id: 'c1',
    transaction_id: 'T1',
    currency: 'EUR',
    value: 25,
    items: [{ item_id: 'SKU1', price: 12.5, quantity: 2 }],
  });
});

test('misuse warns and never throws into the page', async () => {
  const page = await openPage(world.context, `${world.site.url}/one`);
  const warnings: string[] = [];
  page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
  await page.evaluate(() => {
    const tracker = window.milepost as unknown as Record<string, (...values: unknown[]) => void>;
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    tracker['track']!('cycle', cycle);
    tracker['track']!();
    tracker['track']!('');
    tracker['identify']!(null);
    tracker['group']!();
    tracker['consent']!({ analytics: 'granted' }, null);
    tracker['track']!('fine', { n: 1 });
  });
  await until('the good one', () => world.sink.named('fine').length === 1);
  expect(world.sink.posts.at(-1)!.body.lost).toEqual({ unreadable: 1 });
  expect(warnings).toEqual([
    'milepost: track needs a name',
    'milepost: identify needs an id',
    'milepost: group needs an id',
  ]);
});

test('the ES module gives the same tracker', async () => {
  const page = await openPage(world.context, `${world.site.url}/plain`);
  await page.evaluate(`(async () => {
    const { createTracker } = await import('/milepost.esm.js');
    const tracker = createTracker({ writeKey: 'wk_test', host: ${JSON.stringify(world.sink.url)}, pageViews: 'manual' });
    tracker.track('modern');
    await tracker.flush();
  })()`);
  expect(world.sink.named('modern')).toHaveLength(1);
  expect(world.sink.named('page')).toHaveLength(0);
});
