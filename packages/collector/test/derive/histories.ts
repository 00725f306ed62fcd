/** Random histories of a few persons, made so that gaps, ties and timers at exact instants really occur. */
import fc from 'fast-check';
import type { SiteSettings } from '../../src/database/sites.ts';
import type { Goal } from '../../src/goals/document.ts';
import { day, hour, minute, second } from '../reference/inputs.ts';
import { type Act, acts } from './acts.ts';
import { type Given, idAt } from './given.ts';

/** One thing that happens, `wait` after the thing before it (0: at the same instant). */
export type Step = { wait: number; who: Who; act: Act };
type Who = Pick<Given, 'anonymous_id' | 'user_id' | 'previous_id' | 'identities' | 'type' | 'is_trusted'>;

/** The limits of the semantics themselves, one step beside them, and small waits that add up to them. */
export const waits = [
  [0, 0, 0, 0, 1, second, minute, minute, minute, 5 * minute, 5 * minute, 10 * minute, 10 * minute],
  [30 * minute - 1, 30 * minute, 30 * minute, 30 * minute, hour, hour, 6 * hour, day - 1, day],
  [7 * day, 30 * day - hour, 30 * day, 30 * day + hour, 180 * day],
].flat();

const start = Date.parse('2026-01-05T10:00:00Z');

const aBrowser = fc.constantFrom('phone', 'laptop', 'kiosk');
const aUser = fc.constantFrom('u1', 'u2');
const who: fc.Arbitrary<Who> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ anonymous_id: aBrowser }) },
  { weight: 3, arbitrary: fc.record({ anonymous_id: aBrowser, user_id: aUser }) },
  { weight: 1, arbitrary: fc.record({ user_id: aUser }) },
);

/** Browsers, users, cards and addresses that come together in every way, more of them than a person may have. */
const aTypedIdentity = fc.constantFrom<Record<string, string | string[]>>(
  { card: 'c1' },
  { card: 'c2' },
  { card: ['c3', 'c1'] },
  { mail: 'm1' },
  { mail: 'm2', card: 'c4' },
);
const manyBrowsers = fc.constantFrom('phone', 'laptop', 'kiosk', 'tablet', 'car', 'watch');
const manyUsers = fc.constantFrom('u1', 'u2', 'u3');
const trust = fc.constantFrom(true, true, true, false);
export const crowd: fc.Arbitrary<Who> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ anonymous_id: manyBrowsers }) },
  { weight: 3, arbitrary: fc.record({ anonymous_id: manyBrowsers, user_id: manyUsers }) },
  {
    weight: 4,
    arbitrary: fc.record({ anonymous_id: manyBrowsers, identities: aTypedIdentity, is_trusted: trust }),
  },
  { weight: 2, arbitrary: fc.record({ identities: aTypedIdentity, is_trusted: trust }) },
  { weight: 2, arbitrary: fc.record({ user_id: manyUsers, identities: aTypedIdentity, is_trusted: trust }) },
  {
    weight: 1,
    arbitrary: fc.record({
      anonymous_id: manyBrowsers,
      user_id: manyUsers,
      identities: aTypedIdentity,
      is_trusted: trust,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('alias' as const),
      user_id: manyUsers,
      previous_id: fc.oneof(manyBrowsers, manyUsers),
      is_trusted: trust,
    }),
  },
);

/** A history of who is who, with a little of what they do. */
export function whoIsWho(maxLength: number): fc.Arbitrary<Given[]> {
  const aWait = fc.constantFrom(0, 0, minute, hour);
  const steps = fc.array(fc.record({ wait: aWait, who: crowd, act: acts.few }), {
    minLength: 1,
    maxLength,
    size: 'max',
  });
  const order = fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 5 });
  return fc.tuple(steps, order).map(([list, turns]) => touchpointsOf(list, turns));
}

/** A word said by hand of two identities, at an instant of the history, that arrives with one of its parts. */
export type Word = {
  kind: 'join' | 'share' | 'alias';
  type: string;
  value: string;
  other_type: string;
  other_value: string;
  correction: 'merge' | 'sever';
  at: number;
  arrival: number;
};

const aPair: fc.Arbitrary<Omit<Word, 'correction' | 'at' | 'arrival'>> = fc.oneof(
  fc.record({
    kind: fc.constant('join' as const),
    type: fc.constant('anonymous_id'),
    value: manyBrowsers,
    other_type: fc.constant('user_id'),
    other_value: manyUsers,
  }),
  fc.record({
    kind: fc.constant('join' as const),
    type: fc.constant('card'),
    value: fc.constantFrom('c1', 'c2'),
    other_type: fc.constant('user_id'),
    other_value: manyUsers,
  }),
  fc.record({
    kind: fc.constant('share' as const),
    type: fc.constant('anonymous_id'),
    value: manyBrowsers,
    other_type: fc.constant('card'),
    other_value: fc.constantFrom('c1', 'c2', 'c3'),
  }),
  fc
    .record({
      kind: fc.constant('share' as const),
      type: fc.constant('anonymous_id'),
      value: manyBrowsers,
      other_type: fc.constant('anonymous_id'),
      other_value: manyBrowsers,
    })
    .filter(({ value, other_value }) => value !== other_value),
  fc
    .record({
      kind: fc.constant('alias' as const),
      type: fc.constant('user_id'),
      value: manyUsers,
      other_type: fc.constant('user_id'),
      other_value: manyUsers,
    })
    .filter(({ value, other_value }) => value !== other_value),
);

/** Words on the identities of `whoIsWho`. No two are said at one instant. */
export const words: fc.Arbitrary<Word[]> = fc
  .array(
    fc.record({
      pair: aPair,
      correction: fc.constantFrom('merge', 'merge', 'sever'),
      at: fc.constantFrom(0, minute, hour, 2 * hour, 6 * hour, day),
      arrival: fc.nat({ max: 12 }),
    }),
    { minLength: 1, maxLength: 8, size: 'max' },
  )
  .map((list) =>
    list.map(({ pair, correction, at, arrival }, index) => {
      return { ...pair, correction, at: start + at + index, arrival };
    }),
  );

function stepOf(act: fc.Arbitrary<Act>): fc.Arbitrary<Step> {
  return fc.record({ wait: fc.constantFrom(...waits), who, act });
}

export const step = stepOf(acts.mixed);

/** A history of up to `maxLength` steps, a third of them about one thing alone. */
export function history(maxLength: number): fc.Arbitrary<Given[]> {
  const lengthOf = (act: fc.Arbitrary<Act>): fc.Arbitrary<Step[]> =>
    fc.array(stepOf(act), { minLength: 1, maxLength, size: 'max' });
  return fc
    .tuple(
      fc.oneof(
        { weight: 6, arbitrary: lengthOf(acts.mixed) },
        { weight: 1, arbitrary: lengthOf(acts.carts) },
        { weight: 1, arbitrary: lengthOf(acts.orders) },
        { weight: 1, arbitrary: lengthOf(acts.identities) },
        { weight: 1, arbitrary: lengthOf(acts.accounts) },
      ),
      fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 5 }),
    )
    .map(([steps, order]) => touchpointsOf(steps, order));
}

/** Touchpoints of steps. `order` gives sequences and ids, so that those of one instant are not in the steps' order. */
export function touchpointsOf(steps: Step[], order: number[] = [0]): Given[] {
  let at = start;
  return steps.map(({ wait, who, act }, index) => {
    at += wait;
    const turn = order[index % order.length]!;
    return {
      ...(who.type === 'alias' ? {} : act),
      ...who,
      at,
      sequence: turn % 2,
      id: idAt(at, (turn + 1) * 1_000_000 + index),
    };
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

/** Goals of every kind. */
export const someGoals: Goal[] = [
  {
    name: 'browsing',
    event: 'page_view',
    counting: 'once_per_session',
    is_primary: true,
  },
  {
    name: 'praise',
    event: 'review_submitted',
    when: { property: 'rating', at_least: 4 },
    value: { amount: 2.5, currency: 'USD' },
    counting: 'every_time',
    is_primary: false,
  },
  {
    name: 'adding',
    event: 'add_to_cart',
    value: { property: 'price' },
    counting: 'every_time',
    is_primary: true,
  },
  {
    name: 'large_order',
    event: 'purchase',
    when: {
      any: [
        { property: 'value', at_least: 50 },
        { property: 'total', exists: true },
      ],
    },
    counting: 'once_per_session',
    is_primary: true,
  },
  {
    name: 'subscription',
    event: 'subscription_started',
    value: { property: 'total' },
    counting: 'every_time',
    is_primary: false,
  },
];
const goals = JSON.stringify(someGoals);

/** The defaults mostly, and settings that bend a rule each. */
export const someSettings = fc.constantFrom<SiteSettings>(
  {},
  {},
  {},
  { is_session_split_by_campaign: false, session_gap: '1 hour', session_limit: '6 hours' },
  { own_hosts: ['example'], excluded_referrers: ['google.com'], time_zone: 'Europe/Berlin' },
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
  { goals },
  { goals, currency: 'USD', session_gap: '1 hour' },
  { runaway_limit: 3 },
  { runaway_limit: 8 },
);

export const choices = fc.record({
  keys: fc.array(fc.nat({ max: 1_000 }), { minLength: 1, maxLength: 60, size: 'max' }),
  again: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
  cuts: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }),
});
