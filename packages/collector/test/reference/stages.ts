import { amountOf, type Amount } from './amounts.ts';
import { isOrder, type Order } from './orders.ts';
import {
  byOrder,
  day,
  groupedBy,
  isAct,
  isHuman,
  isoOf,
  second,
  type Settings,
  type Touchpoint,
} from './inputs.ts';
import { textIn } from './properties.ts';
import type { Identities } from './identity.ts';

const stages = ['awareness', 'consideration', 'decision', 'purchase', 'retention', 'advocacy'] as const;
type Stage = (typeof stages)[number];
type Signal = 'touch' | 'consider' | 'decide' | 'purchase' | 'retain' | 'advocate' | 'return';

const named: [Signal | 'none', string[]][] = [
  ['advocate', ['referral_sent', 'share']],
  [
    'decide',
    [
      'add_to_cart',
      'view_cart',
      'begin_checkout',
      'add_shipping_info',
      'add_payment_info',
      'trial_started',
      'quote_requested',
      'demo_requested',
      'pricing_viewed',
    ],
  ],
  [
    'retain',
    [
      'order_delivered',
      'support_ticket_opened',
      'support_call',
      'loyalty_joined',
      'subscription_renewed',
      'login',
      'onboarding_step_completed',
    ],
  ],
  [
    'consider',
    [
      'view_item',
      'view_item_list',
      'select_item',
      'search',
      'add_to_wishlist',
      'compare',
      'review_read',
      'generate_lead',
      'sign_up',
      'video_viewed',
      'case_study_viewed',
    ],
  ],
  [
    'none',
    [
      'refund',
      'order_cancelled',
      'email_sent',
      'email_delivered',
      'email_opened',
      'email_bounced',
      'order_shipped',
      'push_sent',
      'remove_from_cart',
      'user_engagement',
      'scroll',
    ],
  ],
];

/** What a touchpoint says about the stage, before `return` is considered; null = nothing. */
function signalOf(touchpoint: Touchpoint, purchases: Set<string>): Signal | null {
  if (isOrder(touchpoint)) return purchases.has(touchpoint.touchpoint_id) ? 'purchase' : null;
  if (touchpoint.name === 'review_submitted' && isGoodReview(touchpoint)) return 'advocate';
  if (touchpoint.name === 'survey_answered' && isPromoter(touchpoint)) return 'advocate';
  const signal = named.find(([, names]) => names.includes(touchpoint.name))?.[0] ?? 'touch';
  return signal === 'none' ? null : signal;
}

function isGoodReview({ properties }: Touchpoint): boolean {
  const rating = amountOf(properties?.['rating']);
  const scale: Amount = amountOf(properties?.['scale']) ?? 5_000_000n;
  return rating !== null && rating * 10n >= scale * 8n;
}

function isPromoter({ properties }: Touchpoint): boolean {
  const score = amountOf(properties?.['score']);
  return textIn(properties, 'kind') === 'nps' && score !== null && score >= 9_000_000n;
}

/** The table of section 6: where a signal leads; absent = stays. ★ begins a new journey. */
const table: Record<string, Partial<Record<Signal, `${Stage}${'' | '★'}`>>> = {
  nobody: {
    touch: 'awareness',
    consider: 'consideration',
    decide: 'decision',
    purchase: 'purchase',
    retain: 'awareness',
    advocate: 'awareness',
  },
  awareness: {
    consider: 'consideration',
    decide: 'decision',
    purchase: 'purchase',
    advocate: 'consideration',
  },
  consideration: { decide: 'decision', purchase: 'purchase' },
  'decision, never bought': { purchase: 'purchase' },
  purchase: {
    decide: 'decision★',
    purchase: 'purchase★',
    retain: 'retention',
    advocate: 'advocacy',
    return: 'retention',
  },
  retention: { decide: 'decision★', purchase: 'purchase★', advocate: 'advocacy' },
  advocacy: { decide: 'decision★', purchase: 'purchase★' },
  'decision, bought before': { purchase: 'purchase' },
};

const cooled = 30 * day;

export type Transition = {
  person_id: string;
  journey_number: number;
  from_stage: Stage | null;
  to_stage: Stage;
  at: number;
  touchpoint_id: string | null;
  cause: 'touchpoint' | 'timer';
  signal: Signal | null;
  since: number | null;
};

export type Standing = { transitions: Transition[]; lastSignalAt: number };

/** Replays one person's touchpoints and timers up to `as_of`. */
export function standingOf(
  person_id: string,
  touchpoints: Touchpoint[],
  orders: Order[],
  settings: Settings,
  asOf: number,
): Standing | null {
  const purchases = new Set(orders.map((order) => order.signal.touchpoint_id));
  const transitions: Transition[] = [];
  let stage: Stage | null = null;
  let hasBought = false;
  let journey = 1;
  let lastSignalAt: number | null = null;

  const move = (to: Stage, cause: Pick<Transition, 'at' | 'cause' | 'touchpoint_id' | 'signal'>): void => {
    const since = transitions.at(-1)?.at ?? null;
    transitions.push({
      person_id,
      journey_number: journey,
      from_stage: stage,
      to_stage: to,
      since,
      ...cause,
    });
    stage = to;
  };
  const letTimePass = (until: number): void => {
    if (stage !== 'decision' || lastSignalAt === null || lastSignalAt + cooled > until) return;
    const at = lastSignalAt + cooled;
    move(hasBought ? 'retention' : 'consideration', {
      at,
      cause: 'timer',
      touchpoint_id: null,
      signal: null,
    });
  };

  for (const touchpoint of touchpoints.filter(isHuman).filter(isAct).sort(byOrder)) {
    const said = signalOf(touchpoint, purchases);
    if (said === null) continue;
    letTimePass(touchpoint.occurred_at);
    const isReturn =
      ['touch', 'consider'].includes(said) &&
      lastSignalAt !== null &&
      touchpoint.occurred_at - lastSignalAt >= settings.session_gap;
    const state: string =
      stage === 'decision'
        ? `decision, ${hasBought ? 'bought before' : 'never bought'}`
        : (stage ?? 'nobody');
    // In awareness a return is as the touch or consider that it is.
    const effect = isReturn && state !== 'awareness' ? 'return' : said;
    const target = table[state]![effect];
    if (target) {
      if (target.endsWith('★')) journey += 1;
      move(target.replace('★', '') as Stage, {
        at: touchpoint.occurred_at,
        cause: 'touchpoint',
        touchpoint_id: touchpoint.touchpoint_id,
        signal: isReturn ? 'return' : said,
      });
    }
    if (said === 'purchase') hasBought = true;
    lastSignalAt = touchpoint.occurred_at;
  }
  letTimePass(asOf);
  return lastSignalAt === null ? null : { transitions, lastSignalAt };
}

/** One row of journey.stage_transitions, without its id, rule and author. */
export function transitionRow(transition: Transition, settings: Settings) {
  const from = transition.from_stage === null ? -1 : stages.indexOf(transition.from_stage);
  const to = stages.indexOf(transition.to_stage);
  return {
    person_id: transition.person_id,
    journey_number: transition.journey_number,
    from_stage: transition.from_stage,
    to_stage: transition.to_stage,
    occurred_at: isoOf(transition.at),
    touchpoint_id: transition.touchpoint_id,
    cause: transition.cause,
    signal: transition.signal,
    model_version: settings.model_version,
    direction: to > from ? 'forward' : to < from ? 'backward' : 'same',
    skipped_stages: stages.slice(from + 1, Math.max(to, from + 1)),
    seconds_in_from_stage: transition.since === null ? null : (transition.at - transition.since) / second,
  };
}

/** One row of journey.current_stages. */
export function currentStageRow(standing: Standing, orders: Order[], settings: Settings, asOf: number) {
  const last = standing.transitions.at(-1)!;
  const reached = standing.transitions.map(({ to_stage }) => stages.indexOf(to_stage));
  return {
    person_id: last.person_id,
    stage: last.to_stage,
    furthest_stage: stages[Math.max(...reached)],
    since: isoOf(last.at),
    journey_number: last.journey_number,
    ...customerOf(orders),
    orders: orders.length,
    lapsed: orders.length > 0 && asOf >= standing.lastSignalAt + settings.lapsed_after,
    last_signal_at: isoOf(standing.lastSignalAt),
    model_version: settings.model_version,
  };
}

export function customerOf(orders: Order[]) {
  return {
    is_customer: orders.length > 0,
    customer_status: ['lead', 'customer'][orders.length] ?? 'repeat_customer',
  };
}

/** The touchpoints of each person, in order. */
export function byPerson(touchpoints: Touchpoint[], identities: Identities): Map<string, Touchpoint[]> {
  return groupedBy([...touchpoints].sort(byOrder), (touchpoint) => identities.personOf(touchpoint));
}
