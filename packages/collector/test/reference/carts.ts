import { times, type Amount } from './amounts.ts';
import type { Identities } from './identity.ts';
import { byOrder, isAct, isHuman, type Delivery, type Settings, type Touchpoint } from './inputs.ts';
import type { Order } from './orders.ts';
import { converted, factorAt } from './rates.ts';
import { cartIdOf, currencyOf, itemsOf, itemsOrSelf, type Item } from './properties.ts';

const steps = ['cart', 'checkout', 'shipping', 'payment'] as const;
type Step = (typeof steps)[number];
const stepOf: Record<string, Step> = {
  add_to_cart: 'cart',
  remove_from_cart: 'cart',
  view_cart: 'cart',
  cart_updated: 'cart',
  begin_checkout: 'checkout',
  add_shipping_info: 'shipping',
  add_payment_info: 'payment',
};
const replacing = ['view_cart', 'cart_updated', 'begin_checkout'];

/** Its currency is that of the touchpoint that set it last; null = the cart's. */
type Line = Item & { currency: string | null };
type State = 'open' | 'abandoned' | 'purchased' | 'recovered' | 'self_recovered' | 'emptied' | 'expired';

/** One round of one cart of one person. */
export type Round = {
  opening: Touchpoint;
  cart_id: string | null;
  person_id: string;
  state: State;
  lastActivity: Touchpoint;
  abandonedAt: number | null;
  firstAbandonedAt: number | null;
  abandonmentCount: number;
  furthest: number;
  lines: Line[];
  currency: string | null;
  order_id: string | null;
};

function isLive(round: Round): boolean {
  return round.state === 'open' || round.state === 'abandoned';
}

/** Everything due at or before `until` happens. */
function letTimePass(round: Round, until: number, settings: Settings): void {
  if (round.state === 'open' && round.lines.length > 0) {
    const delay = round.furthest >= steps.indexOf('checkout') ? settings.checkout_delay : settings.cart_delay;
    const due = round.lastActivity.occurred_at + delay;
    if (due <= until) {
      round.state = 'abandoned';
      round.abandonedAt = due;
      round.firstAbandonedAt ??= due;
      round.abandonmentCount += 1;
    }
  }
  if (round.state === 'abandoned' && round.abandonedAt! + settings.cart_expiry <= until)
    round.state = 'expired';
}

function opens(touchpoint: Touchpoint): boolean {
  if (['add_to_cart', 'begin_checkout'].includes(touchpoint.name)) return true;
  const hasLines = (itemsOf(touchpoint) ?? []).length > 0;
  return ['view_cart', 'cart_updated'].includes(touchpoint.name) && hasLines;
}

function apply(round: Round, touchpoint: Touchpoint): void {
  const hadLines = round.lines.length > 0;
  const list = itemsOf(touchpoint);
  const currency = currencyOf(touchpoint);
  if (touchpoint.name === 'add_to_cart') add(round.lines, itemsOrSelf(touchpoint), currency);
  if (touchpoint.name === 'remove_from_cart') takeAway(round.lines, itemsOrSelf(touchpoint));
  if (replacing.includes(touchpoint.name) && list !== null) {
    round.lines = [];
    add(round.lines, list, currency);
  }
  round.lines = round.lines.filter((line) => line.quantity > 0n);
  const isEmptiedByList = replacing.includes(touchpoint.name) && list !== null;
  round.state = round.lines.length === 0 && (hadLines || isEmptiedByList) ? 'emptied' : 'open';
  round.lastActivity = touchpoint;
  round.furthest = Math.max(round.furthest, steps.indexOf(stepOf[touchpoint.name]!));
  round.currency = currency ?? round.currency;
}

function add(lines: Line[], items: Item[], currency: string | null): void {
  for (const item of items) {
    const line = lines.find(({ product, variant }) => product === item.product && variant === item.variant);
    if (line) {
      line.quantity += item.quantity;
      line.price = item.price ?? line.price;
      line.currency = currency;
    } else {
      lines.push({ ...item, currency });
    }
  }
}

function takeAway(lines: Line[], items: Item[]): void {
  for (const item of items) {
    const line = lines.find(({ product, variant }) => product === item.product && variant === item.variant);
    if (line) line.quantity = line.quantity > item.quantity ? line.quantity - item.quantity : 0n;
  }
}

function close(round: Round, order: Order, at: number, settings: Settings, deliveries: Delivery[]): void {
  const wasAbandoned = round.abandonedAt !== null && at < round.abandonedAt + settings.self_recovery_window;
  const wasReminded = deliveries.some(
    ({ cart_key, delivered_at }) =>
      cart_key === round.opening.touchpoint_id &&
      delivered_at <= at &&
      at < delivered_at + settings.recovery_window,
  );
  round.state = wasReminded ? 'recovered' : wasAbandoned ? 'self_recovered' : 'purchased';
  round.order_id = order.order_id;
}

/** Section 7, replayed over the whole site in order, for a purchase closes a cart id whoever holds it. */
export function cartsOf(
  touchpoints: Touchpoint[],
  identities: Identities,
  orders: Order[],
  settings: Settings,
  asOf: number,
  deliveries: Delivery[] = [],
): Round[] {
  const rounds: Round[] = [];
  const ordersByEarliest = new Map(orders.map((order) => [order.touchpoints[0]!.touchpoint_id, order]));
  for (const touchpoint of touchpoints.filter(isHuman).filter(isAct).sort(byOrder)) {
    for (const round of rounds) letTimePass(round, touchpoint.occurred_at, settings);
    const order = ordersByEarliest.get(touchpoint.touchpoint_id);
    if (order) {
      for (const round of closedBy(order, rounds))
        close(round, order, touchpoint.occurred_at, settings, deliveries);
    }
    if (!(touchpoint.name in stepOf)) continue;
    const person_id = identities.personOf(touchpoint);
    const cart_id = cartIdOf(touchpoint);
    let round = rounds.find(
      (held) => isLive(held) && held.person_id === person_id && held.cart_id === cart_id,
    );
    if (!round && opens(touchpoint)) {
      round = {
        opening: touchpoint,
        cart_id,
        person_id,
        state: 'open',
        lastActivity: touchpoint,
        abandonedAt: null,
        firstAbandonedAt: null,
        abandonmentCount: 0,
        furthest: 0,
        lines: [],
        currency: null,
        order_id: null,
      };
      rounds.push(round);
    }
    if (round) apply(round, touchpoint);
  }
  for (const round of rounds) letTimePass(round, asOf, settings);
  return rounds;
}

/** The rounds of its cart id, whoever holds them; without a known one, the person's most recently active cart. */
function closedBy(order: Order, rounds: Round[]): Round[] {
  const known = order.cart_id === null ? [] : rounds.filter((round) => round.cart_id === order.cart_id);
  if (known.length > 0) return known.filter(isLive);
  const own = rounds.filter((round) => isLive(round) && round.person_id === order.person_id);
  return own.sort((a, b) => byOrder(a.lastActivity, b.lastActivity)).slice(-1);
}

/** Quantities summed over the lines. */
export function itemCountOf(round: Round): Amount {
  return round.lines.reduce((sum, line) => sum + line.quantity, 0n);
}

/**
 * Its lines in the cart's currency, those in another by the rate of the day of its last activity. Null when one cannot be
 * converted, which is counted.
 */
export function valueOf(
  round: Round,
  currency: string,
  settings: Settings,
): { value: Amount | null; unconverted: number } {
  const values = round.lines.map((line) => {
    const from = line.currency ?? currency;
    const factor = factorAt(round.lastActivity.occurred_at, from, currency, settings);
    return converted(times(line.price ?? 0n, line.quantity), factor);
  });
  const unconverted = values.filter((value) => value === null).length;
  const value = values.reduce<Amount>((sum, one) => sum + (one ?? 0n), 0n);
  return { value: unconverted > 0 ? null : value, unconverted };
}

export function stepText(round: Round): Step {
  return steps[round.furthest]!;
}
