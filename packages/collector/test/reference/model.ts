/**
 * The reference model: what the views of schema journey say, recomputed from all touchpoints by plain loops.
 * Written from the semantics alone and sharing no code with the product, so that the two check each other.
 */
import { accountViews, type Member } from './accounts.ts';
import { figureOf } from './amounts.ts';
import { cartsOf, itemCountOf, stepText, valueOf, type Round } from './carts.ts';
import { channelOutsideSessions } from './channels.ts';
import { Identities } from './identity.ts';
import {
  byOrder,
  isAct,
  isHuman,
  isoOf,
  type Delivery,
  type Json,
  type Override,
  type Settings,
  type Touchpoint,
} from './inputs.ts';
import { conversionRow, conversionsOf, type Conversion } from './goals.ts';
import { conversionMetrics } from './metrics.ts';
import {
  occurredAtText,
  ordersOf,
  refundedOf,
  siteAmountsOf,
  waitingRefundRows,
  type Order,
} from './orders.ts';
import { sessionByTouchpoint, sessionRow, sessionsOf, type Session } from './sessions.ts';
import { funnelRows, stageMetricsRows, type Way } from './stage-figures.ts';
import {
  byPerson,
  currentStageRow,
  customerOf,
  machineAt,
  runawayAt,
  standingOf,
  transitionRow,
} from './stages.ts';

export type Row = Record<string, unknown>;
export type ViewName =
  | 'sessions'
  | 'identities'
  | 'identity_links'
  | 'persons'
  | 'accounts'
  | 'account_members'
  | 'stage_transitions'
  | 'current_stages'
  | 'stage_metrics'
  | 'funnel_stages'
  | 'carts'
  | 'abandoned_carts'
  | 'orders'
  | 'waiting_refunds'
  | 'conversions'
  | 'conversion_metrics';

export function viewsOf(
  stored: Touchpoint[],
  settings: Settings,
  asOf: number,
  deliveries: Delivery[] = [],
): Record<ViewName, Row[]> {
  const touchpoints = stored.filter(isHuman).sort(byOrder);
  const identities = new Identities(touchpoints, settings);
  const sessions = sessionsOf(touchpoints, identities, settings);
  const orders = ordersOf(touchpoints, identities, sessions, settings);
  const conversions = conversionsOf(touchpoints, identities, sessions, orders, settings);
  const carts = cartsOf(touchpoints, identities, orders, settings, asOf, deliveries);
  const sessionOf = sessionByTouchpoint(sessions);
  const channelAt = (touchpoint: Touchpoint): string =>
    sessionOf.get(touchpoint.touchpoint_id)?.channel ?? channelOutsideSessions(touchpoint, settings);

  // Whose an override is: whose a touchpoint of the identity would be that came first at the instant.
  const whoOf = ({ type, value, from }: Override): string =>
    identities.personOf({
      touchpoint_id: '',
      occurred_at: from,
      sequence: Number.NEGATIVE_INFINITY,
      anonymous_id: type === 'anonymous_id' ? value : null,
      user_id: type === 'user_id' ? value : null,
      identities: { [type]: [value] } as Touchpoint['identities'],
    } as Touchpoint);
  const persons: Row[] = [];
  const transitions: Row[] = [];
  const currentStages: Row[] = [];
  const ways: Way[] = [];
  const members: Member[] = [];
  for (const [person, own] of byPerson(touchpoints, identities)) {
    const bought = orders.filter((order) => order.person_id === person);
    persons.push(personRow(person, own, { identities, bought, channelAt, settings }));
    const overrides = settings.overrides.filter((override) => whoOf(override) === person);
    const standing = standingOf(person, own, bought, { settings, overrides }, asOf);
    const current = standing && currentStageRow(standing, bought, settings, asOf);
    members.push({
      person_id: person,
      user_id: persons.at(-1)!['user_id'] as string | null,
      stage: current?.stage ?? null,
      furthest_stage: current?.furthest_stage ?? null,
      order_count: bought.length,
      net: netOf(bought),
      own,
    });
    if (!standing) continue;
    transitions.push(...standing.transitions.map((transition) => transitionRow(transition, settings)));
    currentStages.push(current!);
    ways.push({
      channel: (persons.at(-1)!['first_channel'] as string | null) ?? 'Unassigned',
      transitions: standing.transitions,
    });
  }
  const userOf = new Map(persons.map((person) => [person['person_id'], person['user_id']]));

  return {
    sessions: sessions.map((session) => sessionRow(session, hasConversion(session, conversions), settings)),
    identities: identities.rows(),
    identity_links: identities.linkRows(),
    persons,
    ...accountViews(touchpoints, members, { stages: machineAt(settings).stages, settings }),
    stage_transitions: transitions,
    current_stages: currentStages,
    stage_metrics: stageMetricsRows(ways, settings),
    funnel_stages: funnelRows(ways, settings),
    carts: carts.map((cart) => cartRow(cart, settings)),
    abandoned_carts: carts
      .filter((cart) => cart.state === 'abandoned')
      .map((cart) => ({
        ...abandonedCartRow(cart, settings),
        user_id: userOf.get(cart.person_id),
        channel: channelAt(cart.opening),
      })),
    orders: orders.map(orderRow),
    waiting_refunds: waitingRefundRows(touchpoints, identities, orders, settings),
    conversions: conversions.map((conversion) => conversionRow(conversion, settings)),
    conversion_metrics: conversionMetrics(sessions, orders, conversions, settings),
  };
}

function hasConversion(session: Session, conversions: Conversion[]): boolean {
  return conversions.some((conversion) => conversion.session === session);
}

function personRow(
  person_id: string,
  own: Touchpoint[],
  about: {
    identities: Identities;
    bought: Order[];
    channelAt: (touchpoint: Touchpoint) => string;
    settings: Settings;
  },
): Row {
  const anchor = about.identities.anchorOf(own[0]!);
  const firstAct = own.find(isAct);
  const inSite = about.bought.map(siteAmountsOf);
  const runaway = runawayAt(own, about.settings);
  return {
    person_id,
    user_id: anchor.type === 'user_id' ? anchor.value : null,
    first_seen_at: isoOf(own[0]!.occurred_at),
    last_seen_at: isoOf(own.at(-1)!.occurred_at),
    first_channel: firstAct ? about.channelAt(firstAct) : null,
    traits: traitsOf(own),
    ...customerOf(about.bought),
    order_count: about.bought.length,
    net_revenue: figureOf(netOf(about.bought)),
    currency: about.settings.currency,
    unconverted_order_count: inSite.filter((amounts) => amounts === null).length,
    is_runaway: runaway !== null,
    runaway_at: runaway === null ? null : isoOf(runaway),
  };
}

function netOf(bought: Order[]): bigint {
  return bought
    .map(siteAmountsOf)
    .reduce((sum, amounts) => sum + (amounts ? amounts.gross - amounts.refunded : 0n), 0n);
}

/** Per key the latest value in order; null deletes. A group call's are the account's. Contacts stand elsewhere. */
function traitsOf(own: Touchpoint[]): Record<string, Json> {
  const traits: Record<string, Json> = {};
  for (const touchpoint of own.filter(({ type }) => type !== 'group')) {
    for (const [key, value] of Object.entries(touchpoint.traits ?? {})) {
      if (value === null || ['email', 'phone'].includes(key)) delete traits[key];
      else traits[key] = value;
    }
  }
  return traits;
}

function cartRow(cart: Round, settings: Settings): Row {
  const currency = cart.currency ?? settings.currency;
  const { value, unconverted } = valueOf(cart, currency, settings);
  return {
    cart_key: cart.opening.touchpoint_id,
    cart_id: cart.cart_id,
    person_id: cart.person_id,
    state: cart.state,
    opened_at: isoOf(cart.opening.occurred_at),
    last_activity_at: isoOf(cart.lastActivity.occurred_at),
    abandoned_at: cart.abandonedAt === null ? null : isoOf(cart.abandonedAt),
    first_abandoned_at: cart.firstAbandonedAt === null ? null : isoOf(cart.firstAbandonedAt),
    abandonment_count: cart.abandonmentCount,
    furthest_step: stepText(cart),
    item_count: figureOf(itemCountOf(cart)),
    value: value === null ? null : figureOf(value),
    currency,
    order_id: cart.order_id,
    unconverted_line_count: unconverted,
  };
}

function abandonedCartRow(cart: Round, settings: Settings): Row {
  const { cart_key, cart_id, person_id, value, currency, abandoned_at, furthest_step } = cartRow(
    cart,
    settings,
  );
  const tier = furthest_step === 'cart' ? 'cart' : 'checkout';
  return { cart_key, cart_id, person_id, value, currency, abandoned_at, tier, furthest_step };
}

function orderRow(order: Order): Row {
  const refunded = refundedOf(order);
  const inSite = siteAmountsOf(order);
  const [gross, back, net] = [order.gross, refunded, order.gross - refunded].map(figureOf) as [
    number,
    number,
    number,
  ];
  return {
    order_id: order.order_id,
    person_id: order.person_id,
    session_id: order.session?.session_id ?? null,
    occurred_at: occurredAtText(order),
    gross,
    refunded: back,
    net,
    currency: order.currency,
    gross_site: inSite && figureOf(inSite.gross),
    refunded_site: inSite && figureOf(inSite.refunded),
    net_site: inSite && figureOf(inSite.gross - inSite.refunded),
    channel: order.channel,
    disputed: order.disputed,
  };
}
