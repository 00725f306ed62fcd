import { amountOf, type Amount, figureOf } from './amounts.ts';
import { channelOutsideSessions } from './channels.ts';
import type { Identities } from './identity.ts';
import { byOrder, groupedBy, hour, isAct, isHuman, isoOf, type Settings, type Touchpoint } from './inputs.ts';
import { type Condition, holds } from './machine.ts';
import { currencyOf } from './properties.ts';
import { isOrder, mostTrustedFirst, type Order } from './orders.ts';
import { converted, factorAt } from './rates.ts';
import { startOf, type Session } from './sessions.ts';

/** What a site calls a conversion. */
export type Goal = {
  name: string;
  event: string;
  when?: Condition;
  value?: { property: string } | { amount: number; currency: string };
  counting: 'once_per_session' | 'every_time';
  is_primary: boolean;
};

export type Conversion = {
  goal: Goal;
  person_id: string;
  /** Its place in order; of an order its earliest touchpoint. */
  touchpoint: Touchpoint;
  order: Order | null;
  session: Session | null;
  channel: string;
  value: Amount | null;
  currency: string | null;
};

/** Section 8: every touchpoint or order that reaches a goal, as often as the goal counts it. */
export function conversionsOf(
  touchpoints: Touchpoint[],
  identities: Identities,
  sessions: Session[],
  orders: Order[],
  settings: Settings,
): Conversion[] {
  const acts = touchpoints.filter(isHuman).filter(isAct);
  return settings.goals.flatMap((goal) => {
    const reached = ['purchase', 'subscription_started'].includes(goal.event)
      ? orders.filter((order) => isReachedBy(goal, order)).map((order) => ofOrder(goal, order))
      : acts
          .filter(({ name }) => name === goal.event)
          .filter((act) => goal.when === undefined || holds(goal.when, act))
          .map((act) => ofTouchpoint(goal, act, identities.personOf(act), sessions, settings));
    return goal.counting === 'once_per_session' ? onceASession(reached) : reached;
  });
}

/** The goal `purchase` is every order; another counts the orders of which one touchpoint is as it says. */
function isReachedBy(goal: Goal, order: Order): boolean {
  return goal.name === 'purchase' || sayingOf(goal, order).length > 0;
}

function sayingOf(goal: Goal, order: Order): Touchpoint[] {
  return order.touchpoints
    .filter(isOrder)
    .filter(({ name }) => name === goal.event)
    .filter((touchpoint) => goal.when === undefined || holds(goal.when, touchpoint));
}

function ofOrder(goal: Goal, order: Order): Conversion {
  const touchpoint = order.touchpoints[0]!;
  const about = {
    goal,
    person_id: order.person_id,
    touchpoint,
    order,
    session: order.session,
    channel: order.channel,
  };
  if (goal.value === undefined) return { ...about, value: order.gross, currency: order.currency };
  if ('amount' in goal.value) {
    return { ...about, value: amountOf(goal.value.amount), currency: goal.value.currency };
  }
  const { property } = goal.value;
  const values = mostTrustedFirst(sayingOf(goal, order)).map(({ properties }) =>
    amountOf(properties?.[property]),
  );
  const value = values.find((one) => one !== null) ?? null;
  return { ...about, value, currency: value === null ? null : order.currency };
}

function ofTouchpoint(
  goal: Goal,
  touchpoint: Touchpoint,
  person_id: string,
  sessions: Session[],
  settings: Settings,
): Conversion {
  const session = belongingSession(touchpoint, person_id, sessions);
  const offline = ['store', 'phone', 'support', 'event'].includes(touchpoint.source);
  const said = touchpoint.properties;
  const value =
    goal.value === undefined
      ? (amountOf(said?.['value']) ?? amountOf(said?.['revenue']))
      : 'amount' in goal.value
        ? amountOf(goal.value.amount)
        : amountOf(said?.[goal.value.property]);
  const currency =
    goal.value !== undefined && 'amount' in goal.value
      ? goal.value.currency
      : (currencyOf(touchpoint) ?? settings.currency);
  return {
    goal,
    person_id,
    touchpoint,
    order: null,
    session,
    channel: session?.channel ?? (offline ? channelOutsideSessions(touchpoint, settings) : 'Unassigned'),
    value,
    currency: value === null ? null : currency,
  };
}

/** Where it happened; else the person's last session begun within 24 h before. */
function belongingSession(touchpoint: Touchpoint, person: string, sessions: Session[]): Session | null {
  const own = sessions.find(({ touchpoints }) => touchpoints.includes(touchpoint));
  if (own) return own;
  const before = sessions
    .filter((session) => session.person_id === person)
    .filter((session) => byOrder(session.touchpoints[0]!, touchpoint) < 0)
    .filter((session) => startOf(session) > touchpoint.occurred_at - 24 * hour)
    .sort((a, b) => byOrder(a.touchpoints[0]!, b.touchpoints[0]!));
  return before.at(-1) ?? null;
}

/** The first of each session; outside sessions each. */
function onceASession(conversions: Conversion[]): Conversion[] {
  const inOrder = [...conversions].sort((a, b) => byOrder(a.touchpoint, b.touchpoint));
  const groups = groupedBy(inOrder, ({ session, touchpoint }) =>
    session ? session.session_id : `none ${touchpoint.touchpoint_id}`,
  );
  return [...groups.values()].map(([first]) => first!);
}

/** One row of journey.conversions. */
export function conversionRow(conversion: Conversion, settings: Settings) {
  const { goal, touchpoint, value, currency } = conversion;
  const at = touchpoint.occurred_at;
  const inSite =
    value === null || currency === null
      ? null
      : converted(value, factorAt(at, currency, settings.currency, settings));
  return {
    goal: goal.name,
    person_id: conversion.person_id,
    session_id: conversion.session?.session_id ?? null,
    touchpoint_id: touchpoint.touchpoint_id,
    order_id: conversion.order?.order_id ?? null,
    occurred_at: isoOf(at),
    value: value === null ? null : figureOf(value),
    currency,
    value_site: inSite === null ? null : figureOf(inSite),
    channel: conversion.channel,
    is_primary: goal.is_primary,
  };
}
