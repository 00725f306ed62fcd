import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { launchBrowser } from '../../../sdk/test/support/browser.ts';
import { bundleOf } from '../../../sdk/test/support/bundle.ts';
import { proxyTo } from '../../../sdk/test/support/collector.ts';
import { servePages } from '../../../sdk/test/support/front.ts';
import { runSegmentCollector, type SegmentCollector } from './stored.ts';

// Segment's and RudderStack's own browser libraries in a real Chromium, with nothing changed but the host.

let collector: SegmentCollector;
let proxy: Awaited<ReturnType<typeof proxyTo>>;
let shop: Awaited<ReturnType<typeof servePages>>;
let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  collector = await runSegmentCollector();
  proxy = await proxyTo(() => collector.url);
  const scripts = {
    '/milepost.js': await bundleOf(
      `import { createTracker } from '../../src/index.ts';
       Object.assign(window, { startMilepost: (options) => createTracker(options) });`,
    ),
    '/segment.js': await bundleOf(
      `import { AnalyticsBrowser } from '@segment/analytics-next'; Object.assign(window, { AnalyticsBrowser });`,
    ),
    '/rudder.js': await bundleOf(
      `import { RudderAnalytics } from '@rudderstack/analytics-js/bundled'; Object.assign(window, { RudderAnalytics });`,
    ),
  };
  const elements = Object.keys(scripts)
    .map((src) => `<script src="${src}"></script>`)
    .join('');
  shop = await servePages({
    '/': () => `<!doctype html><title>Shop</title>${elements}`,
    ...Object.fromEntries(Object.entries(scripts).map(([path, text]) => [path, () => text])),
  });
  browser = await launchBrowser();
});
beforeEach(async () => {
  context = await browser.newContext();
});
afterEach(() => context.close());
afterAll(async () => {
  await browser.close();
  shop.close();
  proxy.close();
  await collector.end();
});

type Library = { name: string; person: string; start: (url: string) => string; library: string };

const segmentLoad = (url: string, more = '{}') =>
  `window.analytics = AnalyticsBrowser.load({ writeKey: '${collector.writeKey}', cdnURL: '${url}' }, ${more});`;
const rudderLoad = (url: string, more = '{}') =>
  `window.analytics = new RudderAnalytics();
   analytics.load('${collector.writeKey}', '${url}', Object.assign({ configUrl: '${url}' }, ${more}));`;

const libraries: Library[] = [
  { name: '@segment/analytics-next', person: 'seg', start: segmentLoad, library: 'analytics.js' },
  {
    name: '@rudderstack/analytics-js',
    person: 'rud',
    start: rudderLoad,
    library: 'RudderLabs JavaScript SDK',
  },
];

async function open(path: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(shop.url + path);
  return page;
}

const named = (name: string) =>
  collector.rows<Record<string, unknown>>(
    'select user_id, properties from store.touchpoints where site_id = $1 and name = $2 order by occurred_at, properties',
    name,
  );

describe.each(libraries)('$name', ({ person, start, library }) => {
  const user = `${person}-user`;

  test('a visit is stored, and becomes a session, a person, an account and an order', async () => {
    const page = await open('/?utm_source=newsletter&utm_medium=email&utm_campaign=spring');
    await page.evaluate(`(async () => {
      ${start(collector.url)}
      await analytics.page('Docs', 'Start');
      await analytics.track('Product Viewed', { product_id: 'boots', name: 'Boots', price: 59.9 });
      await analytics.track('Product Added', { product_id: 'boots', price: 59.9, quantity: 2, cart_id: '${person}-c1' });
      await analytics.identify('${user}', { email: '${person}@shop.example', plan: 'pro' });
      await analytics.group('${person}-account', { name: 'Acme' });
      await analytics.track('Order Completed', {
        order_id: '${person}-o1', revenue: 119.8, currency: 'EUR',
        products: [{ product_id: 'boots', price: 59.9, quantity: 2 }],
      });
    })()`);

    const touchpoints = () =>
      collector.rows(
        `select name, type, source, ingested_by, anonymous_id is not null as has_browser, user_id, account_id,
           context #>> '{library,name}' as library, context #>> '{device,type}' as device,
           context #>> '{page,path}' as path, context #>> '{page,referrer}' as referrer,
           context #>> '{campaign,source}' as campaign, given_id is not null as is_mapped, bot_reason, flags
         from store.touchpoints
         where site_id = $1 and anonymous_id in (
           select anonymous_id from store.touchpoints where site_id = $1 and user_id = $2)
         order by occurred_at, touchpoint_id`,
        user,
      );
    const expected = [
      { name: 'page_view', type: 'page', user_id: null },
      { name: 'view_item', user_id: null },
      { name: 'add_to_cart', user_id: null },
      { name: 'identify', type: 'identify', user_id: user },
      { name: 'group', type: 'group', user_id: user, account_id: `${person}-account` },
      { name: 'purchase', user_id: user },
    ].map((fields) => ({
      type: 'track',
      source: 'web',
      ingested_by: 'segment',
      has_browser: true,
      account_id: null,
      library,
      device: 'desktop',
      path: '/',
      referrer: '',
      campaign: 'newsletter',
      is_mapped: true,
      bot_reason: null,
      flags: null,
      ...fields,
    }));
    await collector.eventually(touchpoints, expected);

    await collector.eventually(
      () =>
        collector.rows(
          `select orders.order_id, orders.gross::float8, orders.channel, sessions.source, sessions.medium,
             sessions.campaign, sessions.device, sessions.entry_page, sessions.page_view_count, sessions.touchpoint_count,
             persons.user_id, persons.traits, current_stages.stage, carts.state, carts.cart_id,
             account_members.account_id
           from journey.orders
           join journey.persons using (site_id, person_id)
           join journey.sessions using (site_id, session_id)
           join journey.current_stages on current_stages.site_id = persons.site_id and current_stages.person_id = persons.person_id
           join journey.carts on carts.site_id = persons.site_id and carts.person_id = persons.person_id
           join journey.account_members
             on account_members.site_id = persons.site_id and account_members.person_id = persons.person_id
           where orders.site_id = $1 and orders.order_id = $2`,
          `${person}-o1`,
        ),
      [
        {
          order_id: `${person}-o1`,
          gross: 119.8,
          channel: 'Email',
          source: 'newsletter',
          medium: 'email',
          campaign: 'spring',
          device: 'desktop',
          entry_page: '/',
          page_view_count: 1,
          touchpoint_count: 4,
          user_id: user,
          traits: { plan: 'pro' },
          stage: 'purchase',
          state: 'purchased',
          cart_id: `${person}-c1`,
          account_id: `${person}-account`,
        },
      ],
    );
  });

  test('an order that our snippet tells of as well is one order', async () => {
    const page = await open('/');
    await page.evaluate(`(async () => {
      const milepost = startMilepost({ writeKey: '${collector.writeKey}', host: '${collector.url}' });
      milepost.identify('${user}');
      milepost.track('purchase', { transaction_id: '${person}-both', value: 42, currency: 'EUR' });
      await milepost.flush();
      ${start(collector.url)}
      await analytics.identify('${user}');
      await analytics.track('Order Completed', { order_id: '${person}-both', revenue: 42, currency: 'EUR' });
    })()`);
    await collector.eventually(
      () =>
        collector.rows(
          `select ingested_by from store.touchpoints
           where site_id = $1 and name = 'purchase' and properties ->> 'transaction_id' = $2 order by ingested_by`,
          `${person}-both`,
        ),
      [{ ingested_by: 'events' }, { ingested_by: 'segment' }],
    );
    await collector.eventually(
      () =>
        collector.rows(
          `select orders.gross::float8, count(conversions.conversion_id)::integer as conversions
           from journey.orders
           left join journey.conversions using (site_id, order_id)
           where orders.site_id = $1 and orders.order_id = $2
           group by orders.order_id, orders.gross`,
          `${person}-both`,
        ),
      [{ gross: 42, conversions: 1 }],
    );
  });

  test('an outage loses nothing and doubles nothing', async () => {
    const name = `Outage of ${person}`;
    const page = await open('/');
    await page.evaluate(`(async () => { ${start(proxy.url)} await analytics.page(); })()`);
    const loaded = () =>
      collector.rows(
        `select 1 from store.touchpoints where site_id = $1 and context #>> '{library,name}' = $2`,
        library,
      );
    await expect.poll(async () => (await loaded()).length, { timeout: 15_000 }).toBeGreaterThan(0);
    await page.waitForTimeout(300); // its page call is through, so what is answered next is the calls below
    proxy.nextAnswers.push({ status: 503 }, { status: 503, headers: { 'retry-after': '1' } });
    await page.evaluate(`for (let n = 0; n < 5; n++) analytics.track('${name}', { n })`);
    await expect.poll(async () => (await named(name)).length, { timeout: 25_000 }).toBe(5);
    expect(await collector.stored(name)).toEqual([1, 1, 1, 1, 1]);
  });
});

describe('other ways of delivery', () => {
  test("Segment's batches", async () => {
    const page = await open('/');
    const batching = `{ integrations: { 'Segment.io': { deliveryStrategy: { strategy: 'batching', config: { size: 5, timeout: 500 } } } } }`;
    await page.evaluate(`
      ${segmentLoad(collector.url, batching)}
      for (let n = 0; n < 7; n++) analytics.track('Segment batch', { n });`);
    await collector.eventually(() => collector.stored('Segment batch'), [1, 1, 1, 1, 1, 1, 1]);
  });

  test("Segment's host by option, where the settings are given inline", async () => {
    const page = await open('/');
    const host = collector.url.replace('http://', '');
    await page.evaluate(`
      window.analytics = AnalyticsBrowser.load(
        { writeKey: '${collector.writeKey}', cdnSettings: { integrations: { 'Segment.io': { apiKey: '${collector.writeKey}' } } } },
        { integrations: { 'Segment.io': { apiHost: '${host}/v1', protocol: 'http' } } },
      );
      analytics.track('Inline settings', { n: 1 });`);
    await collector.eventually(() => collector.stored('Inline settings'), [1]);
  });

  test.each([
    {
      what: 'beacons',
      name: 'Rudder beacon',
      more: `{ useBeacon: true, beaconQueueOptions: { flushQueueInterval: 500 } }`,
    },
    {
      what: 'batches',
      name: 'Rudder batch',
      more: `{ queueOptions: { batch: { enabled: true, maxItems: 3, flushInterval: 500 } } }`,
    },
  ])("RudderStack's $what", async ({ name, more }) => {
    const page = await open('/');
    await page.evaluate(`
      ${rudderLoad(collector.url, more)}
      for (let n = 0; n < 4; n++) analytics.track('${name}', { n });`);
    await collector.eventually(() => collector.stored(name), [1, 1, 1, 1]);
  });
});

test('nothing of it was rejected', async () => {
  expect(await collector.rejected()).toBe(0);
});
