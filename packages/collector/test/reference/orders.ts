import { amountOf, figureOf, times, type Amount } from './amounts.ts';
import { channelOutsideSessions } from './channels.ts';
import type { Identities } from './identity.ts';
import { byOrder, groupedBy, hour, isAct, isHuman, isoOf, type Settings, type Touchpoint } from './inputs.ts';
import { converted, factorAt, type Factor } from './rates.ts';
import { cartIdOf, currencyOf, itemsOf, sumOf, textIn } from './properties.ts';
import { startOf, type Session } from './sessions.ts';

/** `inSite`: in the site's currency; null without a rate. */
export type Refund = { at: number; amount: Amount; inSite: Amount | null };

export type Order = {
  order_id: string;
  /** Every touchpoint that speaks of the order, in the order of section 2. */
  touchpoints: Touchpoint[];
  person_id: string;
  /** The touchpoint that gives the purchase signal: the earliest of the order's own person. */
  signal: Touchpoint;
  session: Session | null;
  channel: string;
  cart_id: string | null;
  gross: Amount;
  refunds: Refund[];
  currency: string;
  /** From its currency to the site's, by the rate of its day. */
  factor: Factor | null;
  disputed: Disputed | null;
};

/** What was said by write key otherwise than the order has it, by field. */
type Disputed = Record<string, (number | string)[]>;

export function isOrder(touchpoint: Touchpoint): boolean {
  return (
    ['purchase', 'subscription_started'].includes(touchpoint.name) && isAct(touchpoint) && isHuman(touchpoint)
  );
}

export function orderIdOf(touchpoint: Touchpoint): string | null {
  return textIn(touchpoint.properties, 'transaction_id', 'order_id');
}

/** Section 8. */
export function ordersOf(
  touchpoints: Touchpoint[],
  identities: Identities,
  sessions: Session[],
  settings: Settings,
): Order[] {
  const inOrder = [...touchpoints].filter(isHuman).filter(isAct).sort(byOrder);
  const purchases = inOrder.filter(isOrder);
  const ids = new Set(purchases.map((purchase) => orderIdOf(purchase) ?? purchase.touchpoint_id));
  return [...ids].map((order_id) => {
    const own = purchases.filter((purchase) => (orderIdOf(purchase) ?? purchase.touchpoint_id) === order_id);
    const byTrust = mostTrustedFirst(own);
    const speaker = byTrust.find((touchpoint) => touchpoint.user_id !== null) ?? own[0]!;
    const person_id = identities.personOf(speaker);
    const session = sessionOf(own, person_id, sessions);
    const gross = first(byTrust, grossOf) ?? 0n;
    const currency = first(byTrust, currencyOf) ?? settings.currency;
    const cart_id = first(byTrust, cartIdOf);
    const factor = factorAt(own[0]!.occurred_at, currency, settings.currency, settings);
    return {
      order_id,
      touchpoints: own,
      person_id,
      signal: own.find((touchpoint) => identities.personOf(touchpoint) === person_id)!,
      session,
      channel: session?.channel ?? offlineChannelOf(own[0]!, settings),
      cart_id,
      gross,
      refunds: refundsOf(order_id, { gross, byTrust, factor }, inOrder, settings),
      currency,
      factor,
      disputed: disputedOf(byTrust, {
        cart_id: cartIdOf,
        currency: currencyOf,
        gross: (touchpoint) => figureIn(grossOf(touchpoint)),
        tax: (touchpoint) => figureIn(amountOf(touchpoint.properties?.['tax'])),
        shipping: (touchpoint) => figureIn(amountOf(touchpoint.properties?.['shipping'])),
        discount: (touchpoint) => figureIn(amountOf(touchpoint.properties?.['discount'])),
      }),
    };
  });
}

function figureIn(amount: Amount | null): number | null {
  return amount === null ? null : figureOf(amount);
}

type Reader = (touchpoint: Touchpoint) => number | string | null;

/** Where a secret key spoke of the order: what write keys say that differs from what it has. */
function disputedOf(byTrust: Touchpoint[], fields: Record<string, Reader>): Disputed | null {
  if (!byTrust[0]!.is_trusted) return null;
  const untrusted = byTrust.filter((touchpoint) => !touchpoint.is_trusted);
  const differing = Object.entries(fields).map(([name, read]) => {
    const kept = first(byTrust, read);
    const said = untrusted.map(read).filter((value) => value !== null && value !== kept);
    return [name, [...new Set(said)]] as [string, (number | string)[]];
  });
  const disputed = differing.filter(([, values]) => values.length > 0);
  return disputed.length === 0 ? null : Object.fromEntries(disputed);
}

export function mostTrustedFirst(touchpoints: Touchpoint[]): Touchpoint[] {
  return [...touchpoints].sort((a, b) => Number(b.is_trusted) - Number(a.is_trusted) || byOrder(a, b));
}

function first<T>(touchpoints: Touchpoint[], read: (touchpoint: Touchpoint) => T | null): T | null {
  for (const touchpoint of touchpoints) {
    const value = read(touchpoint);
    if (value !== null) return value;
  }
  return null;
}

/** GA4 `value`, else Segment `revenue`, else total − tax − shipping, else Σ price × quantity. */
function grossOf(touchpoint: Touchpoint): Amount | null {
  const properties = touchpoint.properties;
  const said = amountOf(properties?.['value']) ?? amountOf(properties?.['revenue']);
  if (said !== null) return said;
  const total = amountOf(properties?.['total']);
  if (total !== null) {
    const rest = total - (amountOf(properties?.['tax']) ?? 0n) - (amountOf(properties?.['shipping']) ?? 0n);
    if (rest >= 0n) return rest;
  }
  return sumOf(itemsOf(touchpoint));
}

/** The session of its earliest web touchpoint, else the person's last one begun within 24 h before, else none. */
function sessionOf(own: Touchpoint[], person: string, sessions: Session[]): Session | null {
  for (const touchpoint of own) {
    const session = sessions.find(({ touchpoints }) => touchpoints.includes(touchpoint));
    if (session) return session;
  }
  const earliest = own[0]!;
  const before = sessions
    .filter((session) => session.person_id === person)
    .filter((session) => byOrder(session.touchpoints[0]!, earliest) < 0)
    .filter((session) => startOf(session) > earliest.occurred_at - 24 * hour)
    .sort((a, b) => byOrder(a.touchpoints[0]!, b.touchpoints[0]!));
  return before.at(-1) ?? null;
}

function offlineChannelOf(touchpoint: Touchpoint, settings: Settings): string {
  const isOffline = ['store', 'phone', 'support', 'event'].includes(touchpoint.source);
  return isOffline ? channelOutsideSessions(touchpoint, settings) : 'Unassigned';
}

/** What goes back, refund by refund in order, never beyond `gross`. */
function refundsOf(
  order_id: string,
  order: { gross: Amount; byTrust: Touchpoint[]; factor: Factor | null },
  inOrder: Touchpoint[],
  settings: Settings,
): Refund[] {
  const accepted = inOrder
    .filter((touchpoint) => ['refund', 'order_cancelled'].includes(touchpoint.name))
    .filter((touchpoint) => touchpoint.is_trusted || settings.is_refund_by_write_key_accepted)
    .filter((touchpoint) => orderIdOf(touchpoint) === order_id);
  const copies = groupedBy(accepted, (refund) =>
    JSON.stringify([textIn(refund.properties, 'refund_id') ?? refund.touchpoint_id, refund.name]),
  );
  let left = order.gross;
  const refunds: Refund[] = [];
  for (const same of copies.values()) {
    const amount = min(refundAmountOf(mostTrustedFirst(same)[0]!, order.byTrust) ?? left, left);
    const before = converted(order.gross - left, order.factor);
    left -= amount;
    const after = converted(order.gross - left, order.factor);
    const inSite = before === null || after === null ? null : after - before;
    refunds.push({ at: same[0]!.occurred_at, amount, inSite });
  }
  return refunds;
}

/** By amount, or by lines; null = the whole of what remains. */
function refundAmountOf(refund: Touchpoint, order: Touchpoint[]): Amount | null {
  if (refund.name === 'order_cancelled') return null;
  const value = amountOf(refund.properties?.['value']);
  if (value !== null) return value;
  const items = itemsOf(refund) ?? [];
  if (items.length === 0) return null;
  const bought = first(order, itemsOf) ?? [];
  return items.reduce((sum, item) => {
    const same = bought.find((line) => line.product === item.product && line.variant === item.variant);
    return sum + times(item.price ?? same?.price ?? 0n, item.quantity);
  }, 0n);
}

function min(a: Amount, b: Amount): Amount {
  return a < b ? a : b;
}

export function refundedOf(order: Order): Amount {
  return order.refunds.reduce((sum, refund) => sum + refund.amount, 0n);
}

/** Gross and what was refunded of it, in the site's currency; null without a rate. */
export function siteAmountsOf(order: Order): { gross: Amount; refunded: Amount } | null {
  const gross = converted(order.gross, order.factor);
  const refunded = converted(refundedOf(order), order.factor);
  return gross === null || refunded === null ? null : { gross, refunded };
}

export function occurredAtOf(order: Order): number {
  return order.touchpoints[0]!.occurred_at;
}

export function occurredAtText(order: Order): string {
  return isoOf(occurredAtOf(order));
}

/** The rows of journey.waiting_refunds: what would be given back of orders nobody has told of. */
export function waitingRefundRows(
  touchpoints: Touchpoint[],
  identities: Identities,
  orders: Order[],
  settings: Settings,
) {
  const known = new Set(orders.map(({ order_id }) => order_id));
  const waiting = touchpoints
    .filter(isHuman)
    .filter(isAct)
    .filter((touchpoint) => ['refund', 'order_cancelled'].includes(touchpoint.name))
    .filter((touchpoint) => touchpoint.is_trusted || settings.is_refund_by_write_key_accepted)
    .filter((touchpoint) => orderIdOf(touchpoint) !== null && !known.has(orderIdOf(touchpoint)!));
  const refundIdOf = (touchpoint: Touchpoint): string =>
    (touchpoint.name === 'refund' ? textIn(touchpoint.properties, 'refund_id') : null) ??
    touchpoint.touchpoint_id;
  const copies = groupedBy(waiting, (touchpoint) =>
    JSON.stringify([orderIdOf(touchpoint), touchpoint.name, refundIdOf(touchpoint)]),
  );
  return [...copies.values()].map((same) => {
    const told = mostTrustedFirst(same)[0]!;
    return {
      order_id: orderIdOf(told)!,
      refund_id: refundIdOf(told),
      kind: told.name === 'refund' ? 'refund' : 'cancellation',
      person_id: identities.personOf(told),
      touchpoint_id: told.touchpoint_id,
      occurred_at: isoOf(told.occurred_at),
      amount: told.name === 'refund' ? figureIn(amountOf(told.properties?.['value'])) : null,
      currency: currencyOf(told),
    };
  });
}
