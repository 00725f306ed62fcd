import { figureOf, type Amount } from './amounts.ts';
import type { Settings } from './inputs.ts';
import type { Conversion } from './goals.ts';
import { occurredAtOf, type Order, siteAmountsOf } from './orders.ts';
import { dayOf } from './rates.ts';
import { startOf, type Session } from './sessions.ts';

type Group = {
  sessions: Set<string>;
  convertingSessions: Set<string>;
  persons: Set<string>;
  convertingPersons: Set<string>;
  conversions: number;
  primaryConversions: number;
  orders: number;
  revenue: Amount;
  refunded: Amount;
  unconvertedOrders: number;
};

/** The rows of journey.conversion_metrics. */
export function conversionMetrics(
  sessions: Session[],
  orders: Order[],
  conversions: Conversion[],
  settings: Settings,
) {
  const groups = new Map<string, Group>();
  const groupAt = (at: number, of: { channel: string; session: Session | null }): Group => {
    const key = JSON.stringify({
      day: dayOf(at, settings),
      channel: of.channel,
      source: of.session?.origin.source ?? null,
      campaign: of.session?.origin.campaign ?? null,
      device: of.session ? of.session.device : 'none',
    });
    const group = groups.get(key) ?? {
      sessions: new Set(),
      convertingSessions: new Set(),
      persons: new Set(),
      convertingPersons: new Set(),
      conversions: 0,
      primaryConversions: 0,
      orders: 0,
      revenue: 0n,
      refunded: 0n,
      unconvertedOrders: 0,
    };
    groups.set(key, group);
    return group;
  };
  for (const session of sessions) {
    const group = groupAt(startOf(session), { channel: session.channel, session });
    group.sessions.add(session.session_id);
    group.persons.add(session.person_id);
  }
  for (const order of orders) {
    const group = groupAt(order.session ? startOf(order.session) : occurredAtOf(order), order);
    group.persons.add(order.person_id);
    group.orders += 1;
    const inSite = siteAmountsOf(order);
    if (inSite) group.revenue += inSite.gross;
    else group.unconvertedOrders += 1;
    for (const { at, amount, inSite: refunded } of order.refunds) {
      if (refunded !== null && amount > 0n) groupAt(at, order).refunded += refunded;
    }
  }
  for (const conversion of conversions) {
    const { session, touchpoint, person_id, goal } = conversion;
    const group = groupAt(session ? startOf(session) : touchpoint.occurred_at, conversion);
    group.persons.add(person_id);
    group.conversions += 1;
    if (!goal.is_primary) continue;
    group.primaryConversions += 1;
    group.convertingPersons.add(person_id);
    if (session) group.convertingSessions.add(session.session_id);
  }
  return [...groups].map(([key, group]) => ({
    ...(JSON.parse(key) as Record<string, string | null>),
    sessions: group.sessions.size,
    converting_sessions: group.convertingSessions.size,
    persons: group.persons.size,
    converting_persons: group.convertingPersons.size,
    conversions: group.conversions,
    primary_conversions: group.primaryConversions,
    conversion_rate: rateOf(group.convertingPersons.size, group.persons.size),
    session_conversion_rate: rateOf(group.convertingSessions.size, group.sessions.size),
    orders: group.orders,
    revenue: figureOf(group.revenue),
    refunded: figureOf(group.refunded),
    net_revenue: figureOf(group.revenue - group.refunded),
    unconverted_orders: group.unconvertedOrders,
  }));
}

/** A share rounded to six digits; null for nothing of nothing. */
export function rateOf(part: number, whole: number): number | null {
  return whole === 0 ? null : Math.round((part / whole) * 1e6) / 1e6;
}
