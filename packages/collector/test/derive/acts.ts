/** Things that may happen to random persons. */
import fc from 'fast-check';
import type { JsonObject } from '../reference/inputs.ts';
import type { Given } from './given.ts';

/** What happens, without when and to whom. */
export type Act = Omit<Given, 'at' | 'id' | 'anonymous_id' | 'user_id'>;

const products = [
  { item_id: 'boots', price: 120.5 },
  { item_id: 'boots', price: 99.9, item_variant: '42' },
  { item_id: 'sock', price: 4.95, quantity: 3 },
  { item_id: 'sock', quantity: 1 },
  { item_id: 'cap', price: '19', quantity: '2' },
];

const cartId = fc.constantFrom<JsonObject>({}, {}, { cart_id: 'c1' }, { cart_id: 'c2' });
const currency = fc.constantFrom<JsonObject>({}, {}, {}, { currency: 'EUR' }, { currency: 'usd' });
const items = fc.array(fc.constantFrom(...products), { minLength: 1, maxLength: 2 });
const maybeItems = fc.oneof(
  fc.constant<JsonObject>({}),
  fc.constant<JsonObject>({ items: [] }),
  items.map((list): JsonObject => ({ items: list })),
);
const orderId = fc.constantFrom<JsonObject>(
  {},
  { transaction_id: 'o1' },
  { transaction_id: 'o2' },
  { order_id: 'o3' },
);
const value = fc.constantFrom<JsonObject>({}, { value: 100 }, { value: '40.25' }, { total: 30, tax: 5 });
const trusted: Act = { source: 'server', is_trusted: true };
const fromWhere = fc.constantFrom<Act>({}, {}, {}, trusted, trusted, { source: 'store', is_trusted: true });

function joined(...parts: fc.Arbitrary<JsonObject>[]): fc.Arbitrary<JsonObject> {
  return fc.tuple(...parts).map((objects) => Object.assign({}, ...objects) as JsonObject);
}

function named(names: string[], properties: fc.Arbitrary<JsonObject> = fc.constant({})): fc.Arbitrary<Act> {
  return fc.record({ name: fc.constantFrom(...names), properties });
}

const campaign = fc.constantFrom<JsonObject>(
  { source: 'news', medium: 'email', name: 'may' },
  { source: 'news', medium: 'email', name: 'june' },
  { source: 'google', medium: 'cpc' },
  { gclid: 'abc' },
  { gclid: 'def', content: 'a' },
  { source: 'chatgpt.com' },
);
const page = fc.constantFrom<JsonObject>(
  { path: '/' },
  { path: '/boots', referrer: 'https://www.google.com/' },
  { path: '/cart', referrer: 'https://blog.example/' },
  { path: '/', referrer: 'https://mail.google.com/' },
  { path: '/', referrer: 'https://www.paypal.com/' },
  { url: 'https://shop.example/boots?utm_source=news&utm_medium=sms&fbclid=x' },
);
const deviceOf = fc.constantFrom<JsonObject>(
  {},
  {},
  { device: { type: 'mobile' } },
  { device: { type: 'desktop' } },
);

function listed(list: JsonObject[]): JsonObject {
  return { items: list };
}

const pageView: fc.Arbitrary<Act> = fc.record({
  name: fc.constant('page_view'),
  context: joined(
    deviceOf,
    page.map((value): JsonObject => ({ page: value })),
    fc.oneof(
      { weight: 4, arbitrary: fc.constant<JsonObject>({}) },
      { weight: 1, arbitrary: campaign.map((value): JsonObject => ({ campaign: value })) },
    ),
  ),
});
const browsing: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: pageView },
  {
    weight: 2,
    arbitrary: named(['view_item', 'search', 'login', 'share', 'pricing_viewed', 'email_opened']),
  },
  {
    weight: 1,
    arbitrary: named(['review_submitted'], fc.constantFrom<JsonObject>({ rating: 5 }, { rating: 2 }, {})),
  },
  { weight: 1, arbitrary: named(['user_engagement'], fc.constantFrom({ engagement_time_msec: 6_000 })) },
);

const carting: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 5,
    arbitrary: named(['add_to_cart', 'remove_from_cart'], joined(cartId, currency, items.map(listed))),
  },
  {
    weight: 3,
    arbitrary: named(['view_cart', 'cart_updated', 'begin_checkout'], joined(cartId, currency, maybeItems)),
  },
  { weight: 2, arbitrary: named(['add_shipping_info', 'add_payment_info'], cartId) },
);

const buying: fc.Arbitrary<Act> = fc
  .tuple(
    named(
      ['purchase', 'purchase', 'purchase', 'subscription_started'],
      joined(orderId, cartId, currency, value),
    ),
    fromWhere,
  )
  .map(([purchase, from]) => ({ ...purchase, ...from }));

const refunding: fc.Arbitrary<Act> = fc
  .tuple(
    named(
      ['refund', 'refund', 'order_cancelled'],
      joined(
        fc.constantFrom<JsonObject>({ transaction_id: 'o1' }, { transaction_id: 'o2' }, {}),
        fc.constantFrom<JsonObject>({}, { refund_id: 'r1' }),
        fc.constantFrom<JsonObject>({}, { value: 15 }, { items: [{ item_id: 'boots', quantity: 1 }] }),
      ),
    ),
    fc.constantFrom<Act>(trusted, trusted, trusted, {}),
  )
  .map(([refund, from]) => ({ ...refund, ...from }));

const identifying: fc.Arbitrary<Act> = fc.record({
  type: fc.constant('identify' as const),
  traits: fc.constantFrom<JsonObject>({}, { plan: 'free' }, { plan: 'pro', city: 'Bern' }, { plan: null }),
});

const anAccount = fc.constantFrom('acme', 'acme', 'globex');
const grouping: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('group' as const),
      account_id: anAccount,
      is_trusted: fc.constantFrom(false, false, true),
      traits: joined(
        fc.constantFrom<JsonObject>({}, { plan: 'free' }, { plan: 'pro', seats: 5 }, { plan: null }),
        fc.constantFrom<JsonObject>({}, {}, { role: 'admin' }, { role: 'buyer' }, { role: null }),
        fc.constantFrom<JsonObject>({}, {}, {}, { left: true }, { is_member: false }),
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      name: fc.constantFrom('account_added_user', 'account_removed_user', 'login'),
      account_id: anAccount,
      properties: fc.constantFrom<JsonObject>({}, { role: 'viewer' }),
    }),
  },
);

const crawling: fc.Arbitrary<Act> = fc.constant<Act>({
  name: 'add_to_cart',
  context: { userAgent: 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' },
});

/** Everything that may happen, and the same with one thing much more often, so that its rules meet each other. */
export const acts = {
  mixed: fc.oneof(
    { weight: 8, arbitrary: browsing },
    { weight: 10, arbitrary: carting },
    { weight: 5, arbitrary: buying },
    { weight: 2, arbitrary: refunding },
    { weight: 2, arbitrary: identifying },
    { weight: 2, arbitrary: grouping },
    { weight: 1, arbitrary: crawling },
  ),
  carts: fc.oneof({ weight: 8, arbitrary: carting }, { weight: 1, arbitrary: buying }),
  orders: fc.oneof(buying, buying, refunding, pageView),
  identities: fc.oneof(identifying, pageView, browsing),
  accounts: fc.oneof(
    { weight: 3, arbitrary: grouping },
    { weight: 1, arbitrary: browsing },
    { weight: 1, arbitrary: buying },
  ),
  /** Enough to see whose they are. */
  few: fc.oneof(pageView, pageView, carting, buying, identifying),
};
