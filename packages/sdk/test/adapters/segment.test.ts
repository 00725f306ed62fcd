import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeEach, expect, test } from 'vitest';
import { bundleOf } from '../support/bundle.ts';
import { usePages } from '../support/pages.ts';
import { until } from '../support/visit.ts';

const pages = usePages(`
  import { createTracker } from '../../src/tracker.ts';
  import { segment } from '../../src/plugins/segment.ts';
  Object.assign(window, {
    start: (options, adapter) =>
      (window.milepost = createTracker({ writeKey: 'wk_test', host: sinkUrl, plugins: [segment(adapter)], ...options })),
  });
`);

const modules = join(import.meta.dirname, '..', '..', 'node_modules');
const libraries = {
  segment: readFileSync(join(modules, '@segment/analytics-next/dist/umd/standalone.js'), 'utf8'),
  // as the script of its CDN does
  rudder: await bundleOf(
    `import { RudderAnalytics } from '@rudderstack/analytics-js'; new RudderAnalytics();`,
  ),
};
/** What Segment's and RudderStack's servers are asked for, instead of by them; and what their libraries sent there. */
const sentElsewhere: string[] = [];
beforeEach(async () => {
  sentElsewhere.length = 0;
  pages.files.set('/segment.js', libraries.segment);
  pages.files.set('/rudder.js', libraries.rudder);
  await pages.context.route(/segment\.(com|io)/, (route) => {
    const url = route.request().url();
    if (/\/v1\/[tpigab]$/.test(url))
      sentElsewhere.push(route.request().postDataJSON().event ?? url.slice(-1));
    return route.fulfill({
      json: /settings/.test(url)
        ? { integrations: { 'Segment.io': { apiKey: 'wk', apiHost: 'api.segment.io/v1' } } }
        : {},
      headers: { 'access-control-allow-origin': '*' },
    });
  });
  await pages.context.route(/segment\.js/, (route) =>
    route.fulfill({ body: libraries.segment, contentType: 'text/javascript' }),
  );
});

/** The stub of Segment's snippet; newer ones add the page's address behind the arguments. */
const stub = `<script>
  (function () {
    var analytics = (window.analytics = window.analytics || []);
    analytics._writeKey = 'wk';
    ['track', 'page', 'identify', 'group', 'alias', 'reset', 'ready', 'on', 'user', 'setAnonymousId'].forEach(function (method) {
      analytics[method] = function () {
        if (window.analytics.initialized) return window.analytics[method].apply(window.analytics, arguments);
        var call = [].slice.call(arguments);
        if (/track|page|identify|group|alias/.test(method)) call.push({ __t: 'bpc', p: location.pathname, u: location.href, s: '', t: '', r: '' });
        analytics.push([method].concat(call));
        return analytics;
      };
    });
    window.stub = analytics;
  })();
</script>`;
const library = `<script>var loading = document.createElement('script'); loading.src = '/segment.js'; loading.async = true; document.head.append(loading)</script>`;
const sdk = (options: object = {}, adapter: object = {}) =>
  `<script>var sinkUrl = '${pages.sink.url}'</script><script src="/sdk.js"></script>
   <script>start(${JSON.stringify(options)}, ${JSON.stringify(adapter)})</script>`;
const script = (code: string) => `<script>${code}</script>`;

const early = script(`
  analytics.page();
  analytics.identify('u1', { plan: 'pro' });
  analytics.track('Product Viewed', { product_id: 'SKU1' });
  analytics.track('Plain');
`);
const late = script(`
  analytics.track('Order Completed', { order_id: 'o-1', revenue: 19, products: [{ product_id: 'SKU1' }] }, { integrations: { All: true } });
  analytics.track('Plain');
  analytics.group('g1', { name: 'Acme' });
`);
const expected = [
  ['identify', 'u1', { plan: 'pro' }],
  ['Product Viewed', 'u1', { product_id: 'SKU1' }],
  ['Plain', 'u1', {}],
  ['Order Completed', 'u1', { order_id: 'o-1', revenue: 19, products: [{ product_id: 'SKU1' }] }],
  ['Plain', 'u1', {}],
  ['group', 'u1', { name: 'Acme' }],
];
const loaded = (page: Page) =>
  page.waitForFunction(() => (window as { analytics?: { initialized?: boolean } }).analytics?.initialized);
async function told(page: Page) {
  await page.evaluate(() => window.milepost.flush());
  return pages.sink.accepted
    .filter(({ name, type }) => name !== 'user_engagement' && type !== 'page')
    .map(({ name, type, user_id, properties, traits }) => [
      name ?? type,
      user_id,
      properties ?? traits ?? {},
    ]);
}

test.each([
  { order: 'before the stub', html: () => sdk() + stub + early + library + late },
  { order: 'after the stub', html: () => stub + early + sdk() + library + late },
  { order: 'after all calls', html: () => stub + early + late + sdk() + library },
  { order: 'where the library is blocked', html: () => stub + early + sdk() + late, isBlocked: true },
])('each call is recorded once when the SDK comes $order', async ({ html, isBlocked }) => {
  const page = await pages.open(html());
  if (!isBlocked) {
    await loaded(page);
    // the library has repeated all that waited in the queue
    await until('what Segment was told', () => sentElsewhere.length >= 7);
  }
  expect(await told(page)).toEqual(expected);
  expect(pages.sink.named('page')).toHaveLength(1);
});

test('calls to the loaded library are recorded once, also by a reference to the stub', async () => {
  const page = await pages.open(stub + library);
  await loaded(page);
  await page.evaluate((url) => Object.assign(window, { sinkUrl: url }), pages.sink.url);
  await page.addScriptTag({ url: '/sdk.js' });
  await page.addScriptTag({
    content: `start({}, {}); analytics.track('by name'); stub.track('by the stub')`,
  });
  expect((await told(page)).map(([name]) => name)).toEqual(['by name', 'by the stub']);
});

test('calls that the library receives while it starts are recorded once', async () => {
  const page = await pages.open(
    stub +
      sdk() +
      library +
      script(`
        var count = 0;
        analytics.ready(function () { analytics.track('ready') });
        var timer = setInterval(function () {
          analytics.track('Tick', { count: ++count });
          if (count === 60) clearInterval(timer);
        }, 5);
      `),
  );
  await loaded(page);
  await until('all ticks', () => sentElsewhere.filter((name) => name === 'Tick').length === 60, 15_000);
  const names = await told(page);
  expect(names.filter(([name]) => name === 'ready')).toHaveLength(1);
  expect(
    names.flatMap(([name, , fields]) => (name === 'Tick' ? [(fields as { count: number }).count] : [])),
  ).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
});

test("RudderStack's calls are recorded once, from its queue and from the library", async () => {
  const queue = `window.rudderanalytics = [];
    ['load', 'page', 'track', 'identify', 'reset', 'ready'].forEach(function (method) {
      rudderanalytics[method] = function () { rudderanalytics.push([method].concat([].slice.call(arguments))) };
    });
    rudderanalytics.load('wk', 'https://data.example', { configUrl: 'https://config.example' });
    rudderanalytics.track('early', { n: 1 });`;
  await pages.context.route(/(data|config)\.example/, (route) => route.abort());
  const page = await pages.open(
    script(queue) + sdk({}, { name: 'rudderanalytics' }) + `<script src="/rudder.js"></script>`,
  );
  await page.waitForFunction(() => !Array.isArray((window as { rudderanalytics?: unknown }).rudderanalytics));
  await page.evaluate(() =>
    (window as unknown as { rudderanalytics: { track(...values: unknown[]): void } }).rudderanalytics.track(
      'late',
      { n: 2 },
    ),
  );
  expect(await told(page)).toEqual([
    ['early', undefined, { n: 1 }],
    ['late', undefined, { n: 2 }],
  ]);
});

test.each([
  { call: `page('Home')`, properties: { page_title: 'Home', category: 'Home' } },
  {
    call: `page('Docs', 'Start', { depth: 1 })`,
    properties: { page_title: 'Start', category: 'Docs', depth: 1 },
  },
  { call: `page({ depth: 1 })`, properties: { depth: 1 } },
])('where page views are manual, $call is one', async ({ call, properties }) => {
  const page = await pages.open(stub + sdk({ pageViews: 'manual' }) + script(`analytics.${call}`));
  await told(page);
  expect(pages.sink.named('page').map((view) => view.properties)).toEqual([properties]);
});

test('traits without an id belong to the known user, reset makes a new visitor, alias says who it is', async () => {
  const page = await pages.open(
    stub +
      sdk() +
      script(`
        analytics.identify({ plan: 'free' });
        analytics.alias('u1');
        analytics.identify({ plan: 'pro' });
        analytics.reset();
        analytics.track('after');
      `),
  );
  expect(await told(page)).toEqual([
    ['identify', 'u1', {}],
    ['identify', 'u1', { plan: 'pro' }],
    ['after', undefined, {}],
  ]);
  const [before, , after] = pages.sink.accepted.filter(({ type }) => type !== 'page');
  expect(after!.anonymous_id).not.toBe(before!.anonymous_id);
});

test("Segment's anonymous id is taken over where asked for, and never in place of an own one", async () => {
  const html = (adapter: object) =>
    script(`localStorage.setItem('ajs_anonymous_id', '"3f6a-segment"')`) + stub + sdk({}, adapter);
  await told(await pages.open(html({ takeAnonymousId: true })));
  expect(pages.sink.named('page').map(({ anonymous_id }) => anonymous_id)).toEqual(['3f6a-segment']);

  pages.sink.reset();
  await pages.context.clearCookies();
  const page = await pages.open(script('localStorage.clear()') + html({}), '/own');
  await told(page);
  const own = pages.sink.named('page')[0]!.anonymous_id;
  expect(own).toMatch(/^[\da-f-]{36}$/);
  await told(await pages.open(html({ takeAnonymousId: true }), '/again'));
  expect(pages.sink.named('page')[1]!.anonymous_id).toBe(own);
});
