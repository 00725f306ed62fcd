/** Journey models as the reference model reads them: `ecommerce` from section 6 itself, others from their documents. */
import { amountOf, type Amount } from './amounts.ts';
import { day, hour, type Json, type Touchpoint } from './inputs.ts';
import { isOrder } from './orders.ts';
import { textIn } from './properties.ts';

/** A finite automaton. A target that ends in ★ begins a new journey. */
export type Machine = {
  stages: string[];
  stageOf(state: string): string;
  /** What a touchpoint says, before `return` is considered and of orders one alone counts; null = nothing. */
  signalOf(touchpoint: Touchpoint): string | null;
  returning: string[];
  target(state: string, signal: string): string | undefined;
  timer(state: string): { after: number; to: string } | undefined;
  /** The states in order: the first that leads on from where a person stands is meant by an override. */
  states: string[];
};

const named: [string, string[]][] = [
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

function ecommerceSignalOf(touchpoint: Touchpoint): string | null {
  if (isOrder(touchpoint)) return 'purchase';
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
const table: Record<string, Partial<Record<string, string>>> = {
  nobody: {
    touch: 'awareness',
    consider: 'consideration',
    decide: 'decision, never bought',
    purchase: 'purchase',
    retain: 'awareness',
    advocate: 'awareness',
  },
  awareness: {
    consider: 'consideration',
    decide: 'decision, never bought',
    purchase: 'purchase',
    advocate: 'consideration',
  },
  consideration: { decide: 'decision, never bought', purchase: 'purchase' },
  'decision, never bought': { purchase: 'purchase' },
  purchase: {
    decide: 'decision, bought before★',
    purchase: 'purchase★',
    retain: 'retention',
    advocate: 'advocacy',
    return: 'retention',
  },
  retention: { decide: 'decision, bought before★', purchase: 'purchase★', advocate: 'advocacy' },
  advocacy: { decide: 'decision, bought before★', purchase: 'purchase★' },
  'decision, bought before': { purchase: 'purchase' },
};

const cooled: Record<string, string> = {
  'decision, never bought': 'consideration',
  'decision, bought before': 'retention',
};

/** Section 6 in words of this file. */
export const ecommerce: Machine = {
  stages: ['awareness', 'consideration', 'decision', 'purchase', 'retention', 'advocacy'],
  stageOf: (state) => state.split(',')[0]!,
  signalOf: ecommerceSignalOf,
  returning: ['touch', 'consider'],
  // In awareness a return is as the touch or consider that it is; elsewhere it stays, but in purchase.
  target: (state, signal) => table[state]![signal],
  states: Object.keys(table).filter((state) => state !== 'nobody'),
  timer: (state) => (state in cooled ? { after: 30 * day, to: cooled[state]! } : undefined),
};

/** The document of a model, as migrations/models holds them. */
export type Document = {
  stages: string[];
  states: { state: string; stage: string }[];
  signals: string[];
  returning: string[];
  rules: { rule: string; signal: string | null; events: string[]; when?: Condition }[];
  transitions: Record<string, Record<string, string>>;
  timers: { name: string; state: string; after_hours: number; to: string }[];
};
/** A condition on the properties of a touchpoint, as models and goals hold them. */
export type Condition = { [key: string]: Json };

/** The automaton that a document describes. */
export function machineOf(document: Document): Machine {
  return {
    stages: document.stages,
    states: document.states.map(({ state }) => state),
    stageOf: (state) => document.states.find((one) => one.state === state)!.stage,
    signalOf: (touchpoint) => {
      const rule = document.rules.find(
        ({ events, when }) =>
          events.includes(touchpoint.name) && (when === undefined || holds(when, touchpoint)),
      );
      return rule === undefined ? document.signals[0]! : rule.signal;
    },
    returning: document.returning,
    target: (state, signal) => document.transitions[state]?.[signal]?.replace('*', '★'),
    timer: (state) => {
      const timer = document.timers.find((one) => one.state === state);
      return timer && { after: timer.after_hours * hour, to: timer.to };
    },
  };
}

/** Whether a touchpoint fulfils a condition. */
export function holds(condition: Condition, touchpoint: Touchpoint): boolean {
  const { all, any, not, property, exists, equals, in: oneOf, share_of: shareOf } = condition;
  if (Array.isArray(all)) return all.every((part) => holds(part as Condition, touchpoint));
  if (Array.isArray(any)) return any.some((part) => holds(part as Condition, touchpoint));
  if (not !== undefined) return !holds(not as Condition, touchpoint);
  const value = touchpoint.properties?.[property as string];
  if (exists !== undefined) return (value !== undefined && value !== null) === exists;
  if (equals !== undefined) return isSaid(value, equals);
  if (Array.isArray(oneOf)) return oneOf.some((one) => isSaid(value, one));
  const whole =
    shareOf === undefined
      ? 1
      : (numberOf(touchpoint.properties?.[shareOf as string]) ?? numberOf(condition['default']));
  const part = numberOf(value);
  if (part === null || whole === null || whole === 0) return false;
  const { at_least: least, at_most: most } = condition;
  return (
    (least === undefined || part >= Number(least) * whole) &&
    (most === undefined || part <= Number(most) * whole)
  );
}

function isSaid(value: Json | undefined, wanted: Json): boolean {
  return typeof wanted === 'number' ? numberOf(value) === wanted : value === wanted;
}

function numberOf(value: Json | undefined): number | null {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))
    ? Number(value)
    : null;
}

const signalsKnown = [
  'touch',
  'consider',
  'decide',
  'purchase',
  'retain',
  'join',
  'advocate',
  'return',
  'warm_up',
  'heat_up',
];

/** The state of a stage that somebody in a state is put into: the same, else one that can be reached, else the first. */
export function stateOfOverride(machine: Machine, from: string, stage: string): string | undefined {
  const own = machine.states.filter((state) => machine.stageOf(state) === stage);
  if (own.includes(from)) return from;
  const reached = new Set([from]);
  for (const state of reached) {
    const timer = machine.timer(state);
    if (timer) reached.add(timer.to);
    for (const signal of signalsKnown) {
      const target = machine.target(state, signal)?.replace('★', '');
      if (target !== undefined) reached.add(target);
    }
  }
  return own.find((state) => reached.has(state)) ?? own[0];
}
