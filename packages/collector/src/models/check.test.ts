import { expect, test } from 'vitest';
import { checkModel } from './check.ts';
import { readModel, shippedModels } from './shipped.ts';

type Draft = {
  name: string;
  stages: string[];
  states: { state: string; stage: string }[];
  signals: string[];
  returning?: string[];
  rules: { rule: string; signal: string | null; events: string[]; when?: unknown }[];
  transitions: Record<string, Record<string, string>>;
  timers?: { name: string; state: string; after_hours: number; to: string }[];
};

/** A model of two stages, changed. */
function changed(change: (draft: Draft) => void): string[] {
  const draft: Draft = {
    name: 'small',
    stages: ['looking', 'buying'],
    states: [
      { state: 'looking', stage: 'looking' },
      { state: 'buying', stage: 'buying' },
    ],
    signals: ['touch', 'buy'],
    rules: [{ rule: 'order', signal: 'buy', events: ['purchase'] }],
    transitions: { nobody: { touch: 'looking', buy: 'buying' }, looking: { buy: 'buying' } },
    timers: [{ name: 'cooled', state: 'buying', after_hours: 24, to: 'looking' }],
  };
  change(draft);
  const checked = checkModel(draft);
  return checked.ok ? [] : checked.problems;
}

test.each(['b2b_saas', 'ecommerce', 'loyalty'])('the shipped model %s has no problem', async (name) => {
  expect(await shippedModels()).toContain(name);
  expect(await readModel(name)).toMatchObject({ name });
});

test('a small model is enough', () => {
  expect(changed(() => {})).toEqual([]);
});

const mistakes: [string, (draft: Draft) => void, RegExp][] = [
  ['no name', (model) => (model.name = 'My Model'), /^name: is no name/],
  ['stages twice', (model) => model.stages.push('buying'), /^stage buying stands twice/],
  ['a stage without state', (model) => model.stages.push('after'), /^stage after has no state; add one/],
  [
    'a state of no stage',
    (model) => (model.states[1]!.stage = 'after'),
    /^state buying: there is no stage after; there are looking, buying/,
  ],
  [
    'states twice',
    (model) => model.states.push({ state: 'buying', stage: 'buying' }),
    /^state buying stands twice/,
  ],
  ['a signal of no rule', (model) => model.signals.push('love'), /^signal love is given by no rule/],
  [
    'a rule of no signal',
    (model) => (model.rules[0]!.signal = 'sell'),
    /^rule order: there is no signal sell; add it to signals; there are touch, buy/,
  ],
  [
    'rules twice',
    (model) => model.rules.push({ rule: 'order', signal: 'buy', events: ['subscription_started'] }),
    /^rule order stands twice/,
  ],
  [
    'an event that never comes to its rule',
    (model) => model.rules.push({ rule: 'second', signal: 'buy', events: ['purchase'] }),
    /^rule second: the event purchase never comes to it, since rule order/,
  ],
  [
    'an event by another name than it is stored under',
    (model) => model.rules[0]!.events.push('Order Refunded'),
    /^rule order: the event Order Refunded is stored as refund/,
  ],
  ['a rule without events', (model) => (model.rules[0]!.events = []), /^rule order, events: /],
  [
    'a transition from no state',
    (model) => (model.transitions['after'] = { buy: 'buying' }),
    /^transitions: there is no state after/,
  ],
  [
    'a transition on no signal',
    (model) => (model.transitions['looking']!['sell'] = 'buying'),
    /^transition from looking on sell to buying: there is no signal sell/,
  ],
  [
    'a transition to no state',
    (model) => (model.transitions['looking']!['touch'] = 'after*'),
    /^transition from looking on touch to after\*: there is no state after/,
  ],
  [
    'a first transition that begins a journey anew',
    (model) => (model.transitions['nobody']!['buy'] = 'buying*'),
    /^transition from nobody on buy to buying\*: the first journey has begun already/,
  ],
  ['no beginning', (model) => delete model.transitions['nobody'], /^transitions: nobody leads nowhere/],
  [
    'a state nobody comes to',
    (model) => model.states.push({ state: 'lost', stage: 'looking' }),
    /^state lost cannot be reached; add a transition or a timer/,
  ],
  [
    'a timer to no state',
    (model) => (model.timers![0]!.to = 'after'),
    /^timer cooled of state buying: there is no state after to go to/,
  ],
  ['a timer without time', (model) => (model.timers![0]!.after_hours = 0), /^timer cooled, after_hours: /],
  [
    'two timers of a state',
    (model) => model.timers!.push({ name: 'froze', state: 'buying', after_hours: 48, to: 'looking' }),
    /^timers: state buying has two/,
  ],
  [
    'timers in a circle',
    (model) => model.timers!.push({ name: 'warmed', state: 'looking', after_hours: 12, to: 'buying' }),
    /^timer cooled of state buying: it leads to looking, whose timer warmed is due after 12 h already/,
  ],
  [
    'returning signals without a return',
    (model) => (model.returning = ['touch']),
    /^returning: there is no signal return/,
  ],
  ['a key nobody knows', (model) => Object.assign(model, { colour: 'red' }), /colour/],
];

test.each(mistakes)('%s is told, with what to do', (_, change, sentence) => {
  expect(changed(change)).toContainEqual(expect.stringMatching(sentence));
});

test.each<unknown>([
  { property: 'plan', equals: 'team' },
  { property: 'plan', in: ['team', 'business', 3, true] },
  { property: 'seats', at_least: 5, at_most: 50 },
  { property: 'coupon', exists: false },
  { property: 'rating', share_of: 'scale', default: 5, at_least: 0.8 },
  { all: [{ any: [{ property: 'a', equals: 1 }] }, { not: { property: 'b', exists: true } }] },
])('the condition %j is understood', (when) => {
  expect(changed((model) => (model.rules[0]!.when = when))).toEqual([]);
});

test.each<[unknown, RegExp]>([
  [{ property: 'plan', is: 'team' }, /is not understood; a condition is/],
  [{ all: [] }, /is not understood/],
  [{ all: [{ property: 'a', equals: 1 }], any: [] }, /is not understood/],
  ['plan', /is not understood/],
  [{ property: 'plan' }, /compares plan in no way; give it one of/],
  [{ property: 'plan', equals: 'team', in: ['team'] }, /compares plan in several ways \(equals, in\)/],
  [{ property: 'seats', at_least: '5' }, /no number/],
  [{ property: 'seats', at_least: 5, default: 3 }, /default without share_of/],
  [{ property: 'seats', share_of: 'all', exists: true }, /takes a share/],
  [{ not: { property: 'seats' } }, /compares seats in no way/],
])('the condition %j is refused, naming its rule', (when, sentence) => {
  const problems = changed((model) => (model.rules[0]!.when = when));
  expect(problems).toEqual([expect.stringMatching(sentence)]);
  expect(problems[0]).toMatch(/^rule order: /);
});
