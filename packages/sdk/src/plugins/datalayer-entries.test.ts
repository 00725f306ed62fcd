import { expect, test } from 'vitest';
import { createReader } from './datalayer-entries.ts';
import { enhancedEcommerce } from './enhanced-ecommerce.ts';

/** An entry as `gtag` pushes it. */
function gtag(..._values: unknown[]): unknown {
  // oxlint-disable-next-line prefer-rest-params -- gtag pushes its arguments object, and so do we
  return arguments;
}

/** The events that these entries say, in order. */
function eventsOf(...entries: unknown[]) {
  const read = createReader();
  return entries.map((entry) => read(entry).event).filter((event) => event !== undefined);
}
const items = [{ item_id: 'SKU1', price: 9.5, quantity: 2 }];

test('gtag events are taken with their parameters, without what is for Google alone', () => {
  expect(
    eventsOf(
      gtag('js', new Date()),
      gtag('config', 'G-1', { send_page_view: false }),
      gtag('get', 'G-1', 'client_id', () => {}),
      gtag('event', 'sign_up', {
        method: 'email',
        send_to: 'G-1',
        event_callback: () => {},
        event_label: 'top',
      }),
      gtag('event', 'login', null),
    ),
  ).toEqual([
    { name: 'sign_up', properties: { method: 'email', event_label: 'top' } },
    { name: 'login', properties: {} },
  ]);
});

test('a currency that was set holds for events with a value', () => {
  expect(
    eventsOf(
      gtag('set', { currency: 'EUR' }),
      gtag('event', 'add_to_cart', { value: 19, items }),
      gtag('event', 'purchase', { value: 19, currency: 'CHF' }),
      gtag('event', 'share', {}),
    ).map(({ properties }) => properties['currency']),
  ).toEqual(['EUR', 'CHF', undefined]);
});

test.each([
  { entry: gtag('config', 'G-1', { user_id: 'u1' }) },
  { entry: gtag('set', { user_id: 'u1' }) },
  { entry: gtag('set', 'user_id', 'u1') },
  { entry: gtag('event', 'login', { user_id: 'u1' }) },
  { entry: { event: 'login', user_id: 'u1' } },
  { entry: { userId: 'u1' } },
])('the user id is found in %o', ({ entry }) => {
  const said = createReader()(entry);
  expect(said.userId).toBe('u1');
  expect(Object.keys(said.event?.properties ?? {})).toEqual([]);
});

test('what users typed for enhanced conversions is never taken', () => {
  expect(
    eventsOf(
      gtag('set', 'user_data', { email: 'ada@mail.example' }),
      gtag('event', 'purchase', { user_data: { email: 'ada@mail.example' }, value: 1 }),
      { event: 'purchase', user_data: { email: 'ada@mail.example' } },
    ),
  ).toEqual([
    { name: 'purchase', properties: { value: 1 } },
    { name: 'purchase', properties: {} },
  ]);
});

test('a GA4 ecommerce object becomes the properties of its event', () => {
  expect(
    eventsOf(
      { ecommerce: null },
      {
        event: 'purchase',
        page_type: 'thanks',
        'gtm.uniqueEventId': 7,
        eventCallback: () => {},
        ecommerce: { transaction_id: 'o-1', currency: 'EUR', value: 19, items },
      },
    ),
  ).toEqual([
    {
      name: 'purchase',
      properties: { page_type: 'thanks', transaction_id: 'o-1', currency: 'EUR', value: 19, items },
    },
  ]);
});

test('ecommerce that came before its event waits for it, and not past null or another event', () => {
  const ecommerce = { currency: 'EUR', value: 19, items };
  expect(
    eventsOf({ ecommerce }, { event: 'gtm.dom' }, { event: 'view_item' }, { event: 'add_to_cart' }),
  ).toEqual([
    { name: 'view_item', properties: ecommerce },
    { name: 'add_to_cart', properties: {} },
  ]);
  expect(eventsOf({ ecommerce }, { ecommerce: null }, { event: 'view_item' })).toEqual([
    { name: 'view_item', properties: {} },
  ]);
  expect(eventsOf({ ecommerce }, { event: 'newsletter' })).toEqual([{ name: 'newsletter', properties: {} }]);
});

test("Universal Analytics' enhanced ecommerce becomes GA4's events", () => {
  const product = { id: 'SKU1', name: 'Cup', price: '9.50', quantity: 2 };
  const item = { item_id: 'SKU1', name: 'Cup', price: '9.50', quantity: 2 };
  expect(
    eventsOf(
      ...[
        {
          ecommerce: {
            currencyCode: 'EUR',
            impressions: [product],
            detail: { actionField: { list: 'Top' }, products: [product] },
          },
        },
        { event: 'addToCart', ecommerce: { currencyCode: 'EUR', add: { products: [product] } } },
        { event: 'eec.checkout', ecommerce: { checkout: { actionField: { step: 1 }, products: [product] } } },
        { ecommerce: { purchase: { actionField: { id: 'o-1', revenue: '19.00' }, products: [product] } } },
        { event: 'promo', ecommerce: { promoView: { promotions: [{ id: 'p1' }] } } },
      ].flatMap(enhancedEcommerce),
    ),
  ).toEqual([
    { name: 'view_item_list', properties: { currency: 'EUR', items: [item] } },
    { name: 'view_item', properties: { currency: 'EUR', list: 'Top', items: [item] } },
    { name: 'add_to_cart', properties: { currency: 'EUR', items: [item] } },
    { name: 'begin_checkout', properties: { step: 1, items: [item] } },
    { name: 'purchase', properties: { transaction_id: 'o-1', revenue: '19.00', items: [item] } },
    { name: 'view_promotion', properties: { promotions: [{ id: 'p1' }] } },
  ]);
});

test("Google's internal events and what is no entry say nothing", () => {
  expect(
    eventsOf(
      { event: 'gtm.js', 'gtm.start': 1 },
      { event: 'gtm.click' },
      { pageType: 'home' },
      () => {},
      'text',
      null,
      undefined,
      7,
      [],
      gtag(),
    ),
  ).toEqual([]);
});

test('consent is told with its purposes, and whether it is the default', () => {
  const read = createReader();
  expect(read(gtag('consent', 'default', { analytics_storage: 'denied' })).consent).toEqual({
    isDefault: true,
    purposes: { analytics_storage: 'denied' },
  });
  expect(read(gtag('consent', 'update', { ad_storage: 'granted' })).consent).toEqual({
    isDefault: false,
    purposes: { ad_storage: 'granted' },
  });
});
