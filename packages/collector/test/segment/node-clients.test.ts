import RudderAnalytics from '@rudderstack/rudder-sdk-node';
import { Analytics } from '@segment/analytics-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { proxyTo } from '../../../sdk/test/support/collector.ts';
import { runSegmentCollector, type SegmentCollector } from './stored.ts';

// Segment's and RudderStack's own libraries for Node, with nothing changed but the host.

let collector: SegmentCollector;
let proxy: Awaited<ReturnType<typeof proxyTo>>;
beforeAll(async () => {
  collector = await runSegmentCollector();
  proxy = await proxyTo(() => collector.url);
});
afterAll(async () => {
  proxy.close();
  await collector.end();
});

const touchpointsOf = (person: string) =>
  collector.rows<Record<string, unknown>>(
    `select name, type, source, ingested_by, is_trusted, anonymous_id, user_id, account_id, properties, traits,
       context -> 'library' ->> 'name' as library, context -> 'page' ->> 'url' as url, bot_reason, flags
     from store.touchpoints
     where site_id = $1 and (user_id like $2 or anonymous_id like $2 or account_id like $2)
     order by occurred_at, client_time, name`,
    `${person}%`,
  );

/** What all calls of a server's library have in common. */
const told = (fields: Record<string, unknown>) => ({
  type: 'track',
  source: 'server',
  ingested_by: 'segment',
  is_trusted: false,
  anonymous_id: null,
  user_id: null,
  account_id: null,
  properties: null,
  traits: null,
  url: null,
  bot_reason: null,
  flags: null,
  ...fields,
});

const at = (minute: number) => new Date(Date.now() - 3_600_000 + minute * 60_000);

/** Either library, by the calls that both have. */
type Library = {
  [call in 'track' | 'page' | 'screen' | 'identify' | 'group' | 'alias']: (fields: object) => unknown;
};

const clients = [
  {
    name: '@segment/analytics-node',
    person: 'seg',
    start: (key: string, host: string) => {
      const analytics = new Analytics({ writeKey: key, host, flushInterval: 100 });
      return { library: analytics as unknown as Library, flush: () => analytics.closeAndFlush() };
    },
    library: '@segment/analytics-node',
  },
  {
    name: '@rudderstack/rudder-sdk-node',
    person: 'rud',
    start: (key: string, host: string) => {
      const analytics = new RudderAnalytics(key, { dataPlaneUrl: host, flushInterval: 100 });
      return { library: analytics as unknown as Library, flush: () => analytics.flush() };
    },
    library: 'analytics-node',
  },
];

describe.each(clients)('$name', ({ person, start, library: libraryName }) => {
  const [user, second, browser, account] = ['-user', '-user-2', '-browser', '-account'].map(
    (what) => `${person}${what}`,
  ) as [string, string, string, string];

  test('all its calls are stored as touchpoints', async () => {
    const { library, flush } = start(collector.writeKey, collector.url);
    library.identify({ userId: user, anonymousId: browser, traits: { plan: 'pro' }, timestamp: at(1) });
    library.page({
      userId: user,
      name: 'Home',
      category: 'Docs',
      properties: { url: 'https://shop.example/', title: 'Welcome' },
      timestamp: at(2),
    });
    library.screen({ anonymousId: browser, name: 'Main', timestamp: at(3) });
    library.track({ userId: user, event: 'Demo Requested Twice', properties: { n: 1 }, timestamp: at(4) });
    library.group({ userId: user, groupId: account, traits: { name: 'Acme' }, timestamp: at(5) });
    library.alias({ userId: second, previousId: user, timestamp: at(6) });
    await flush();

    const pageContext = {
      url: 'https://shop.example/',
      title: 'Welcome',
      page_title: 'Home',
      category: 'Docs',
    };
    await collector.eventually(
      () => touchpointsOf(person),
      [
        { name: 'identify', type: 'identify', user_id: user, anonymous_id: browser, traits: { plan: 'pro' } },
        {
          name: 'page_view',
          type: 'page',
          user_id: user,
          url: 'https://shop.example/',
          properties: pageContext,
        },
        { name: 'screen_view', type: 'screen', anonymous_id: browser, properties: { screen_name: 'Main' } },
        { name: 'Demo Requested Twice', user_id: user, properties: { n: 1 } },
        { name: 'group', type: 'group', user_id: user, account_id: account, traits: { name: 'Acme' } },
        { name: 'alias', type: 'alias', user_id: second, properties: { previous_id: user } },
      ].map((fields) => told({ library: libraryName, ...fields })),
    );
  });

  test('its times are kept, and its ids: what is sent again is one touchpoint', async () => {
    const happened = at(10);
    const { library, flush } = start(collector.writeKey, proxy.url);
    proxy.nextAnswers.push({ status: 503, headers: { 'retry-after': '1' } });
    const messageId = `${person}-order-message`;
    library.track({ userId: user, event: 'Ordered', messageId, timestamp: happened });
    await flush();
    const again = start(collector.writeKey, collector.url);
    again.library.track({ userId: user, event: 'Ordered', messageId, timestamp: happened });
    again.library.track({ userId: user, event: 'Ordered After', timestamp: happened });
    await again.flush();

    const seen = () =>
      collector.rows(
        `select given_id, occurred_at, client_time from store.touchpoints
         where site_id = $1 and user_id = $2 and name = 'Ordered'`,
        user,
      );
    const after = () =>
      collector.rows(
        `select name from store.touchpoints where site_id = $1 and user_id = $2 and name = 'Ordered After'`,
        user,
      );
    await collector.eventually(after, [{ name: 'Ordered After' }]);
    expect(await seen()).toEqual([{ given_id: messageId, occurred_at: happened, client_time: happened }]);
  });

  test('an outage loses nothing', async () => {
    const { library, flush } = start(collector.writeKey, proxy.url);
    const event = `Outage of ${person}`;
    proxy.nextAnswers.push({ status: 503, headers: { 'retry-after': '1' } }, { status: 500 });
    for (let n = 0; n < 5; n++) library.track({ userId: user, event, properties: { n } });
    await flush();
    await collector.eventually(() => collector.stored(event), [1, 1, 1, 1, 1]);
  });

  test('an order is one order, with its amounts', async () => {
    const { library, flush } = start(collector.writeKey, collector.url);
    library.track({
      userId: user,
      event: 'Order Completed',
      properties: {
        order_id: `${person}-o1`,
        revenue: '59.90',
        currency: 'EUR',
        products: [{ product_id: 'boots', price: 59.9, quantity: 1 }],
      },
    });
    library.track({ userId: user, event: 'Order Completed', properties: { order_id: `${person}-o1` } });
    await flush();
    await collector.eventually(
      () =>
        collector.rows(
          `select orders.order_id, orders.gross::text, orders.currency, persons.user_id
           from journey.orders
           join journey.persons on persons.site_id = orders.site_id and persons.person_id = orders.person_id
           where orders.site_id = $1 and orders.order_id = $2`,
          `${person}-o1`,
        ),
      [{ order_id: `${person}-o1`, gross: '59.9', currency: 'EUR', user_id: user }],
    );
  });
});

test('RudderStack’s library with a secret key in place of the write key is trusted', async () => {
  const analytics = new RudderAnalytics(collector.secretKey, {
    dataPlaneUrl: collector.url,
    flushInterval: 100,
  });
  analytics.track({ userId: 'trusted-rud', event: 'Refunded' });
  await analytics.flush();
  const trusted = () => touchpointsOf('trusted-rud');
  await expect.poll(trusted, { timeout: 15_000 }).toMatchObject([{ name: 'Refunded', is_trusted: true }]);
});

test('Segment’s library is trusted with the secret key in a header beside the write key', async () => {
  const analytics = new Analytics({
    writeKey: collector.writeKey,
    host: collector.url,
    httpClient: (url, { headers, ...init }) =>
      fetch(url, { ...init, headers: { ...headers, Authorization: `Bearer ${collector.secretKey}` } }),
  });
  analytics.track({ userId: 'trusted-seg', event: 'Refunded' });
  await analytics.closeAndFlush();
  const trusted = () => touchpointsOf('trusted-seg');
  await expect.poll(trusted, { timeout: 15_000 }).toMatchObject([{ name: 'Refunded', is_trusted: true }]);
});

test('what PostgreSQL cannot hold in text is stored without it', async () => {
  const analytics = new Analytics({ writeKey: collector.writeKey, host: collector.url });
  analytics.track({
    userId: 'odd',
    event: 'Odd \0 \ud800',
    properties: { ['k\0']: '\udc00', __proto__: 7, text: "'; drop table store.touchpoints; --" },
  });
  await analytics.closeAndFlush();
  const odd = () => touchpointsOf('odd');
  await expect.poll(odd, { timeout: 15_000 }).toMatchObject([
    {
      name: 'Odd \u{fffd} \u{fffd}',
      properties: { ['k\u{fffd}']: '\u{fffd}', text: "'; drop table store.touchpoints; --" },
    },
  ]);
});

test('what is rejected is kept with its reason, in the words of the caller', async () => {
  const analytics = new Analytics({ writeKey: collector.writeKey, host: collector.url });
  analytics.track({ userId: 'null', event: 'Lost', messageId: 'lost-1' });
  analytics.track({ userId: 'found', event: 'Kept', messageId: 'lost-2' });
  await analytics.closeAndFlush();
  await expect
    .poll(
      () =>
        collector.rows(
          `select reason, detail, event, ingested_by from journey.rejected_events where site_id = $1`,
        ),
      {
        timeout: 15_000,
      },
    )
    .toMatchObject([
      {
        reason: 'no_identity',
        detail: expect.stringContaining('/anonymousId'),
        event: expect.stringContaining('"messageId":"lost-1"'),
        ingested_by: 'segment',
      },
    ]);
  await expect.poll(() => touchpointsOf('found'), { timeout: 15_000 }).toMatchObject([{ name: 'Kept' }]);
});
