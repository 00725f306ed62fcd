/** Random histories of a few persons, made so that gaps, ties and timers at exact instants really occur. */
import fc from 'fast-check';
import type { SiteSettings } from '../../src/database/sites.ts';
import { day, hour, minute, type JsonObject, second } from '../reference/inputs.ts';
import { type Given, idAt } from './given.ts';

/** One thing that happens, `wait` after the thing before it (0: at the same instant). */
export type Step = { wait: number; who: Who; act: Act };
type Who = { anonymous_id?: string; user_id?: string };
type Act = Omit<Given, 'at' | 'id' | 'anonymous_id' | 'user_id'>;

/** The limits of the semantics themselves, one step beside them, and small waits that add up to them. */
export const waits = [
  [0, 0, 0, 0, 1, second, minute, minute, minute, 5 * minute, 5 * minute, 10 * minute, 10 * minute],
  [30 * minute - 1, 30 * minute, 30 * minute, 30 * minute, hour, hour, 6 * hour, day - 1, day],
  [7 * day, 30 * day - hour, 30 * day, 30 * day + hour, 180 * day],
].flat();

const products = [
  { item_id: 'boots', price: 120.5 },
  { item_id: 'boots', price: 99.9, item_variant: '42' },
  { item_id: 'sock', price: 4.95, quantity: 3 },
  { item_id: 'sock', quantity: 1 },
  { item_id: 'cap', price: '19', quantity: '2' },
];

const aBrowser = fc.constantFrom('phone', 'laptop', 'kiosk');
const aUser = fc.constantFrom('u1', 'u2');
const who: fc.Arbitrary<Who> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ anonymous_id: aBrowser }) },
  { weight: 3, arbitrary: fc.record({ anonymous_id: aBrowser, user_id: aUser }) },
  { weight: 1, arbitrary: fc.record({ user_id: aUser }) },
);

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
);
const page = fc.constantFrom<JsonObject>(
  { path: '/' },
  { path: '/boots', referrer: 'https://www.google.com/' },
  { path: '/cart', referrer: 'https://blog.example/' },
);
const deviceOf = fc.constantFrom<JsonObject>(
  {},
  {},
  { device: { type: 'mobile' } },
  { device: { type: 'desktop' } },
);

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      name: fc.constant('page_view'),
      context: joined(
        deviceOf,
        page.map((value): JsonObject => ({ page: value })),
        fc.oneof(
          { weight: 4, arbitrary: fc.constant<JsonObject>({}) },
          { weight: 1, arbitrary: campaign.map((value): JsonObject => ({ campaign: value })) },
        ),
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: named(['view_item', 'search', 'login', 'share', 'pricing_viewed', 'email_opened']),
  },
  {
    weight: 1,
    arbitrary: named(['review_submitted'], fc.constantFrom<JsonObject>({ rating: 5 }, { rating: 2 }, {})),
  },
  { weight: 1, arbitrary: named(['user_engagement'], fc.constantFrom({ engagement_time_msec: 6_000 })) },
  {
    weight: 5,
    arbitrary: named(['add_to_cart', 'remove_from_cart'], joined(cartId, currency, items.map(listed))),
  },
  {
    weight: 3,
    arbitrary: named(['view_cart', 'cart_updated', 'begin_checkout'], joined(cartId, currency, maybeItems)),
  },
  { weight: 2, arbitrary: named(['add_shipping_info', 'add_payment_info'], cartId) },
  {
    weight: 5,
    arbitrary: fc
      .tuple(
        named(
          ['purchase', 'purchase', 'purchase', 'subscription_started'],
          joined(orderId, cartId, currency, value),
        ),
        fromWhere,
      )
      .map(([purchase, from]): Act => ({ ...purchase, ...from })),
  },
  {
    weight: 2,
    arbitrary: fc
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
      .map(([refund, from]): Act => ({ ...refund, ...from })),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('identify' as const),
      traits: fc.constantFrom<JsonObject>(
        {},
        { plan: 'free' },
        { plan: 'pro', city: 'Bern' },
        { plan: null },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Act>({
      name: 'add_to_cart',
      context: { userAgent: 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' },
    }),
  },
);

function listed(list: JsonObject[]): JsonObject {
  return { items: list };
}

export const step: fc.Arbitrary<Step> = fc.record({ wait: fc.constantFrom(...waits), who, act });

/** A history of up to `maxLength` steps. */
export function history(maxLength: number): fc.Arbitrary<Given[]> {
  return fc
    .tuple(
      fc.array(step, { minLength: 1, maxLength, size: 'max' }),
      fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 5 }),
    )
    .map(([steps, order]) => touchpointsOf(steps, order));
}

const start = Date.parse('2026-01-05T10:00:00Z');

/** Touchpoints of steps. `order` gives sequences and ids, so that those of one instant are not in the steps' order. */
export function touchpointsOf(steps: Step[], order: number[] = [0]): Given[] {
  let at = start;
  return steps.map(({ wait, who, act }, index) => {
    at += wait;
    const turn = order[index % order.length]!;
    return { ...who, ...act, at, sequence: turn % 2, id: idAt(at, (turn + 1) * 1_000_000 + index) };
  });
}

/** How touchpoints arrive: in which order, in how many parts, which of them again, and what time passes between. */
export type Delivery = { parts: Given[][]; instants: number[] };

export function deliveryOf(
  touchpoints: Given[],
  choices: { keys: number[]; again: boolean[]; cuts: number[] },
): Delivery {
  const at = <T>(list: T[], index: number): T => list[index % list.length]!;
  const arriving = touchpoints
    .map((touchpoint, index) => ({ touchpoint, key: at(choices.keys, index * 7), index }))
    .sort((a, b) => a.key - b.key || a.index - b.index)
    .flatMap(({ touchpoint, index }) => (at(choices.again, index) ? [touchpoint, touchpoint] : [touchpoint]));
  const again = touchpoints.filter((_, index) => at(choices.again, index + 1));
  const parts: Given[][] = [];
  for (let from = 0, cut = 0; from < arriving.length; cut += 1) {
    const size = at(choices.cuts, cut);
    parts.push(arriving.slice(from, from + size));
    from += size;
  }
  if (again.length > 0) parts.push(again);
  let instant = 0;
  const instants = parts.map((part, index) => {
    const extra = at(waits, at(choices.keys, index));
    instant = Math.max(instant, ...part.map((touchpoint) => Number(touchpoint.at) + extra));
    return instant;
  });
  return { parts, instants };
}

/** The defaults mostly, and settings that bend a rule each. */
export const someSettings = fc.constantFrom<SiteSettings>(
  {},
  {},
  {},
  { is_session_split_by_campaign: false, session_gap: '1 hour', session_limit: '6 hours' },
  {
    cart_delay: '5 minutes',
    checkout_delay: '1 hour',
    cart_expiry: '6 hours',
    self_recovery_window: '1 hour',
  },
  {
    is_refund_by_write_key_accepted: true,
    time_zone: 'America/New_York',
    currency: 'USD',
    lapsed_after: '1 day',
  },
);

export const choices = fc.record({
  keys: fc.array(fc.nat({ max: 1_000 }), { minLength: 1, maxLength: 60, size: 'max' }),
  again: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
  cuts: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }),
});
