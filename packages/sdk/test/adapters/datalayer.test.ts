import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { usePages } from '../support/pages.ts';
import { until } from '../support/visit.ts';

const pages = usePages(`
  import { createTracker } from '../../src/tracker.ts';
  import { datalayer, enhancedEcommerce } from '../../src/plugins/datalayer.ts';
  Object.assign(window, {
    start: (options, adapter) =>
      (window.milepost = createTracker({
        writeKey: 'wk_test', host: sinkUrl, privacySignals: 'ignore',
        plugins: [datalayer(adapter?.old ? { translate: enhancedEcommerce } : adapter)],
        ...options,
      })),
  });
`);

const gtag = `<script>window.dataLayer = window.dataLayer || []; function gtag() { dataLayer.push(arguments); }</script>`;
/** The SDK, started with these options. */
const sdk = (options: object = {}, adapter: object = {}) =>
  `<script>var sinkUrl = '${pages.sink.url}'</script><script src="/sdk.js"></script>
   <script>start(${JSON.stringify(options)}, ${JSON.stringify(adapter)})</script>`;
const script = (code: string) => `<script>${code}</script>`;

/** As Google Tag Manager: takes over what is there, replaces push, calls the former, pushes while it handles a push. */
const tagManager = script(`
  window.dataLayer = window.dataLayer || [];
  window.handled = [...dataLayer];
  (function (layer) {
    const former = layer.push;
    layer.push = function () {
      const entries = [].slice.call(arguments);
      handled.push(...entries);
      const length = former.apply(layer, entries);
      while (layer.length > 4) layer.shift();
      for (const entry of entries) if (entry.event === 'outer') layer.push({ event: 'inner' });
      return typeof length !== 'boolean' || length;
    };
    layer.push({ 'gtm.start': Date.now(), event: 'gtm.js' });
  })(dataLayer);
`);

/** Names and properties of what arrived, without what the core records by itself. */
const told = () =>
  pages.sink.accepted
    .filter(({ name, type }) => name !== 'user_engagement' && type !== 'page')
    .map(({ name, type, properties }) => [name ?? type, properties ?? {}]);
const views = () => pages.sink.named('page').length;
const flushed = async (page: Page) => {
  await page.evaluate(() => window.milepost.flush());
  return told();
};

const early = script(`
  gtag('js', new Date());
  gtag('config', 'G-1');
  gtag('event', 'sign_up', { method: 'email' });
  dataLayer.push({ ecommerce: null });
  dataLayer.push({ event: 'view_item', ecommerce: { currency: 'EUR', value: 9.5, items: [{ item_id: 'SKU1' }] } });
`);
const late = script(`
  dataLayer.push({ event: 'outer' });
  dataLayer.push({ ecommerce: null }, { event: 'add_to_cart', ecommerce: { items: [{ item_id: 'SKU1' }] } });
  gtag('event', 'login', { method: 'email' });
`);
const all = [
  ['sign_up', { method: 'email' }],
  ['view_item', { currency: 'EUR', value: 9.5, items: [{ item_id: 'SKU1' }] }],
  ['outer', {}],
  ['add_to_cart', { items: [{ item_id: 'SKU1' }] }],
  ['login', { method: 'email' }],
];
const withInner = [...all.slice(0, 3), ['inner', {}], ...all.slice(3)];

test.each([
  { order: 'without a tag manager', html: () => gtag + early + sdk() + late, expected: all },
  { order: 'before the SDK alone', html: () => gtag + early + late + sdk(), expected: all },
  { order: 'after the SDK alone', html: () => sdk() + gtag + early + late, expected: all },
  {
    order: 'with the tag manager before the SDK',
    html: () => gtag + early + tagManager + sdk() + late,
    expected: withInner,
  },
  {
    order: 'with the tag manager after the SDK',
    html: () => gtag + early + sdk() + tagManager + late,
    expected: withInner,
  },
  {
    order: 'with the SDK first of all',
    html: () => sdk() + gtag + tagManager + early + late,
    expected: withInner,
  },
])('each push is recorded once, in its order, $order', async ({ html, expected }) => {
  const page = await pages.open(html());
  expect(await flushed(page)).toEqual(expected);
  expect(views()).toBe(1);
});

test.each([
  { order: 'before', html: () => gtag + tagManager + sdk() },
  { order: 'after', html: () => gtag + sdk() + tagManager },
])(
  'a tag manager that is loaded $order the SDK sees every push once, and its answer reaches the page',
  async ({ html }) => {
    const page = await pages.open(html());
    const answer = await page.evaluate(() => {
      const { dataLayer, handled } = window as unknown as {
        dataLayer: object[];
        handled: { event?: string }[];
      };
      const answer = dataLayer.push({ event: 'outer' });
      return { answer, events: handled.map(({ event }) => event) };
    });
    expect(answer).toEqual({ answer: true, events: ['gtm.js', 'outer', 'inner'] });
  },
);

test('a data layer that is written anew is listened to', async () => {
  const page = await pages.open(
    sdk() + script(`dataLayer = [{ event: 'first' }]; dataLayer.push({ event: 'second' })`),
  );
  expect(await flushed(page)).toEqual([
    ['first', {}],
    ['second', {}],
  ]);
});

test('a data layer of another name is listened to', async () => {
  const page = await pages.open(script(`layer2 = [{ event: 'first' }]`) + sdk({}, { name: 'layer2' }));
  expect(await flushed(page)).toEqual([['first', {}]]);
});

test('the old enhanced ecommerce is read where it is asked for', async () => {
  const push = `dataLayer = [{ ecommerce: { currencyCode: 'EUR', purchase: { actionField: { id: 'o-1', revenue: '9.50' }, products: [{ id: 'SKU1' }] } } }]`;
  const page = await pages.open(script(push) + sdk({}, { old: true }));
  expect(await flushed(page)).toEqual([
    ['purchase', { currency: 'EUR', transaction_id: 'o-1', revenue: '9.50', items: [{ item_id: 'SKU1' }] }],
  ]);
});

test('a page view of the data layer is not added to the automatic one', async () => {
  const page = await pages.open(gtag + sdk() + script(`gtag('event', 'page_view', { page_title: 'Own' })`));
  expect(await flushed(page)).toEqual([]);
  expect(views()).toBe(1);
});

test('a page view of the data layer is one where page views are manual', async () => {
  const page = await pages.open(
    gtag + sdk({ pageViews: 'manual' }) + script(`gtag('event', 'page_view', { page_title: 'Own' })`),
  );
  await flushed(page);
  expect(pages.sink.named('page').map(({ properties }) => properties)).toEqual([{ page_title: 'Own' }]);
});

test('the user id is told once, also when every page configures it', async () => {
  const html = gtag + script(`gtag('config', 'G-1', { user_id: 'u1' })`) + sdk();
  await flushed(await pages.open(html));
  await flushed(await pages.open(html, '/two'));
  expect(pages.sink.named('identify').map(({ user_id }) => user_id)).toEqual(['u1']);
  expect(pages.sink.named('page').at(-1)!.user_id).toBe('u1');
});

test('what breaks in an entry is a warning, and the page and the next entry are unharmed', async () => {
  const page = await pages.open(gtag);
  const warnings: string[] = [];
  page.on('console', (message) => warnings.push(message.text()));
  await page.setContent(
    gtag +
      sdk() +
      script(
        `dataLayer.push({ get event() { throw new Error('theirs') } }); dataLayer.push({ event: 'next' })`,
      ),
  );
  await until('a warning', () => warnings.length > 0);
  expect(await flushed(page)).toEqual([['next', {}]]);
  expect(warnings).toEqual(['milepost: Error: theirs']);
});
