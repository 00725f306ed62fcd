/** The two tables of the journey model `ecommerce`: which touchpoint says what, and where that leads. */
import { describe, expect, test } from 'vitest';
import type { Row } from '../reference/model.ts';
import { useCases } from './fixture.ts';
import type { Given } from './given.ts';

/** A minute apart, so that none is a return. */
function minutes(...touchpoints: (string | Partial<Given>)[]): Given[] {
  const start = Date.parse('2026-01-05T10:00Z');
  return touchpoints.map((touchpoint, index) => ({
    at: start + index * 60_000,
    ...(typeof touchpoint === 'string' ? { name: touchpoint } : touchpoint),
  }));
}

function inTime(rows: Row[]): Row[] {
  return rows.sort((a, b) => (String(a['occurred_at']) < String(b['occurred_at']) ? -1 : 1));
}

const review = (properties: Given['properties']) => ({ name: 'review_submitted', properties: properties! });
const nps = (score: number | string) => ({ name: 'survey_answered', properties: { kind: 'nps', score } });
const signalsOf: [string, Partial<Given>, string | null][] = [
  ['a review of 4 of 5 (80 % of its scale) advocates', review({ rating: 4 }), 'advocate'],
  ['a review of 3.9 of 5 only touches', review({ rating: 3.9 }), 'touch'],
  ['a review of 8 of 10 advocates', review({ rating: '8', scale: 10 }), 'advocate'],
  ['a review of 4 of 10 only touches', review({ rating: 4, scale: 10 }), 'touch'],
  ['a review without a rating only touches', review({ text: 'fine' }), 'touch'],
  ['referral_sent advocates', { name: 'referral_sent' }, 'advocate'],
  ['share advocates', { name: 'share' }, 'advocate'],
  ['an NPS answer of 9 advocates', nps(9), 'advocate'],
  ['an NPS answer of 8 only touches', nps('8'), 'touch'],
  [
    'a CSAT answer only touches',
    { name: 'survey_answered', properties: { kind: 'csat', score: 9 } },
    'touch',
  ],
  ['a purchase in the web', { name: 'purchase' }, 'purchase'],
  ['a purchase in a store', { name: 'purchase', source: 'store', is_trusted: true }, 'purchase'],
  ['a purchase by phone', { name: 'purchase', source: 'phone', is_trusted: true }, 'purchase'],
  ['subscription_started', { name: 'subscription_started' }, 'purchase'],
  ['add_to_cart', { name: 'add_to_cart' }, 'decide'],
  ['view_cart', { name: 'view_cart' }, 'decide'],
  ['begin_checkout', { name: 'begin_checkout' }, 'decide'],
  ['add_shipping_info', { name: 'add_shipping_info' }, 'decide'],
  ['add_payment_info', { name: 'add_payment_info' }, 'decide'],
  ['trial_started', { name: 'trial_started' }, 'decide'],
  ['quote_requested', { name: 'quote_requested' }, 'decide'],
  ['demo_requested', { name: 'demo_requested' }, 'decide'],
  ['pricing_viewed', { name: 'pricing_viewed' }, 'decide'],
  ['order_delivered', { name: 'order_delivered' }, 'retain'],
  ['support_ticket_opened', { name: 'support_ticket_opened' }, 'retain'],
  ['support_call', { name: 'support_call' }, 'retain'],
  ['loyalty_joined', { name: 'loyalty_joined' }, 'retain'],
  ['subscription_renewed', { name: 'subscription_renewed' }, 'retain'],
  ['login', { name: 'login' }, 'retain'],
  ['onboarding_step_completed', { name: 'onboarding_step_completed' }, 'retain'],
  ['view_item', { name: 'view_item' }, 'consider'],
  ['view_item_list', { name: 'view_item_list' }, 'consider'],
  ['select_item', { name: 'select_item' }, 'consider'],
  ['search', { name: 'search' }, 'consider'],
  ['add_to_wishlist', { name: 'add_to_wishlist' }, 'consider'],
  ['compare', { name: 'compare' }, 'consider'],
  ['review_read', { name: 'review_read' }, 'consider'],
  ['generate_lead', { name: 'generate_lead' }, 'consider'],
  ['sign_up', { name: 'sign_up' }, 'consider'],
  ['video_viewed', { name: 'video_viewed' }, 'consider'],
  ['case_study_viewed', { name: 'case_study_viewed' }, 'consider'],
  ['Segment’s Product Viewed is view_item', { name: 'Product Viewed' }, 'consider'],
  ['every other touchpoint of a human touches', { name: 'boots_tried_on' }, 'touch'],
  ['a page call touches', { type: 'page' }, 'touch'],
  ['email_clicked touches', { name: 'email_clicked' }, 'touch'],
  ['cart_updated touches', { name: 'cart_updated' }, 'touch'],
  ['refund is an act of the brand', { name: 'refund', is_trusted: true }, null],
  ['order_cancelled is an act of the brand', { name: 'order_cancelled', is_trusted: true }, null],
  ['email_sent', { name: 'email_sent' }, null],
  ['email_delivered', { name: 'email_delivered' }, null],
  ['email_opened', { name: 'email_opened' }, null],
  ['email_bounced', { name: 'email_bounced' }, null],
  ['order_shipped', { name: 'order_shipped' }, null],
  ['push_sent', { name: 'push_sent' }, null],
  ['remove_from_cart', { name: 'remove_from_cart' }, null],
  ['user_engagement is a measurement', { name: 'user_engagement' }, null],
  ['scroll is a measurement', { name: 'scroll' }, null],
  ['an identify call gives none', { type: 'identify', user_id: 'u1' }, null],
  ['a group call gives none', { type: 'group', user_id: 'u1' }, null],
  ['a bot gives none', { context: { userAgent: 'Googlebot/2.1 (+http://www.google.com/bot.html)' } }, null],
];

describe('signals of ecommerce', () => {
  const { rowsOf } = useCases(
    signalsOf.map(([who, touchpoint]) => ({
      who,
      touchpoints: minutes('user_id' in touchpoint ? { ...touchpoint, user_id: who } : touchpoint),
    })),
  );
  test.each(signalsOf)('%s', (who, _, signal) => {
    const transitions = rowsOf('stage_transitions', who);
    expect(transitions.map((transition) => transition['signal'])).toEqual(signal ? [signal] : []);
  });
});

const wayTo: Record<string, string[]> = {
  awareness: ['page_view'],
  consideration: ['view_item'],
  'decision, never bought': ['add_to_cart'],
  purchase: ['purchase'],
  retention: ['purchase', 'login'],
  advocacy: ['purchase', 'share'],
  'decision, bought before': ['purchase', 'add_to_cart'],
};
const signals = {
  touch: 'page_view',
  consider: 'view_item',
  decide: 'begin_checkout',
  purchase: 'purchase',
  retain: 'login',
  advocate: 'share',
};
// `–` stays; a number is the journey after the transition.
type Signal = keyof typeof signals;
const table: [string, Record<Signal, string>][] = [
  [
    'awareness',
    {
      touch: '–',
      consider: 'consideration 1',
      decide: 'decision 1',
      purchase: 'purchase 1',
      retain: '–',
      advocate: 'consideration 1',
    },
  ],
  [
    'consideration',
    { touch: '–', consider: '–', decide: 'decision 1', purchase: 'purchase 1', retain: '–', advocate: '–' },
  ],
  [
    'decision, never bought',
    { touch: '–', consider: '–', decide: '–', purchase: 'purchase 1', retain: '–', advocate: '–' },
  ],
  [
    'purchase',
    {
      touch: '–',
      consider: '–',
      decide: 'decision 2',
      purchase: 'purchase 2',
      retain: 'retention 1',
      advocate: 'advocacy 1',
    },
  ],
  [
    'retention',
    {
      touch: '–',
      consider: '–',
      decide: 'decision 2',
      purchase: 'purchase 2',
      retain: '–',
      advocate: 'advocacy 1',
    },
  ],
  [
    'advocacy',
    { touch: '–', consider: '–', decide: 'decision 2', purchase: 'purchase 2', retain: '–', advocate: '–' },
  ],
  [
    'decision, bought before',
    { touch: '–', consider: '–', decide: '–', purchase: 'purchase 2', retain: '–', advocate: '–' },
  ],
];
const moves = table.flatMap(([from, row]) =>
  Object.entries(row).map(
    ([signal, outcome]) =>
      [`from ${from}, ${signal}`, outcome, wayTo[from]!, signals[signal as Signal]] as const,
  ),
);

describe('transitions of ecommerce', () => {
  const { rowsOf } = useCases(
    moves.map(([who, , way, name]) => ({ who, touchpoints: minutes(...way, name) })),
  );
  test.each(moves)('%s: %s', (who, outcome, way) => {
    const transitions = inTime(rowsOf('stage_transitions', who)).slice(way.length);
    expect(
      transitions.map(({ to_stage, journey_number }) => `${String(to_stage)} ${String(journey_number)}`),
    ).toEqual(outcome === '–' ? [] : [outcome]);
  });
});

const firsts: [Signal, string, string][] = [
  ['touch', 'page_view', 'awareness'],
  ['consider', 'view_item', 'consideration'],
  ['decide', 'add_to_cart', 'decision'],
  ['purchase', 'purchase', 'purchase'],
  ['retain', 'login', 'awareness'],
  ['advocate', 'share', 'awareness'],
];

describe('from nobody yet', () => {
  const { rowsOf } = useCases(firsts.map(([who, name]) => ({ who, touchpoints: minutes(name) })));
  test.each(firsts)('%s (%s) leads to %s', (signal, _, stage) => {
    expect(rowsOf('stage_transitions', signal)).toMatchObject([
      {
        from_stage: null,
        to_stage: stage,
        signal,
        cause: 'touchpoint',
        direction: 'forward',
        journey_number: 1,
        seconds_in_from_stage: null,
      },
    ]);
  });
});
