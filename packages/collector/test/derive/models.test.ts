/** Models beside `ecommerce`: the shipped ones, a site's own, and changing from one to another. */
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, test, vi } from 'vitest';
import { Deriver } from '../../src/derive/derive.ts';
import { openSession } from '../../src/derive/session.ts';
import { applyModel, modelOf } from '../../src/models/apply.ts';
import { startResuming } from '../../src/models/resume.ts';
import { checkModel } from '../../src/models/check.ts';
import { readModel } from '../../src/models/shipped.ts';
import type { ModelDocument } from '../../src/models/document.ts';
import { day } from '../reference/inputs.ts';
import { database, useSite } from './fixture.ts';
import { type Given, makeSite, removeSite, type Site, storeGiven } from './given.ts';
import { choices, deliveryOf, history } from './histories.ts';
import { expectAsReference, expectVerified, rowsOfViews } from './views.ts';
import { propertyRuns } from '../support/properties.ts';

const { runs, timeout } = propertyRuns();

const start = Date.parse('2026-01-05T10:00Z');
const ada = { anonymous_id: 'ada' };

/** Touchpoints of one person, a minute apart, so that none is a return. */
function minutes(...names: (string | Partial<Given>)[]): Given[] {
  return names.map((name, index) => ({
    ...ada,
    at: start + index * 60_000,
    ...(typeof name === 'string' ? { name } : name),
  }));
}

/** A model of a site's own, with conditions of every kind. */
const own: ModelDocument = (() => {
  const document = {
    name: 'own',
    stages: ['cold', 'warm', 'hot'],
    states: [
      { state: 'cold', stage: 'cold' },
      { state: 'warm', stage: 'warm' },
      { state: 'hot', stage: 'hot' },
    ],
    signals: ['touch', 'warm_up', 'heat_up'],
    rules: [
      {
        rule: 'big_team',
        signal: 'heat_up',
        events: ['demo_requested', 'view_item'],
        when: {
          all: [
            { property: 'seats', at_least: 5, at_most: 50 },
            { not: { property: 'country', in: ['XX', 'YY'] } },
          ],
        },
      },
      {
        rule: 'voucher',
        signal: 'warm_up',
        events: ['view_item', 'login'],
        when: {
          any: [
            { property: 'coupon', exists: true },
            { property: 'is_member', equals: true },
          ],
        },
      },
      { rule: 'silence', signal: null, events: ['scroll', 'user_engagement'] },
      { rule: 'other_demo', signal: 'warm_up', events: ['demo_requested'] },
      { rule: 'contract', signal: 'heat_up', events: ['contract_signed', 'purchase'] },
    ],
    transitions: {
      nobody: { touch: 'cold', warm_up: 'warm', heat_up: 'hot' },
      cold: { warm_up: 'warm', heat_up: 'hot' },
      warm: { heat_up: 'hot*' },
      hot: { heat_up: 'hot' },
    },
    timers: [
      { name: 'cools', state: 'hot', after_hours: 24, to: 'warm' },
      { name: 'freezes', state: 'warm', after_hours: 72, to: 'cold' },
    ],
  };
  const checked = checkModel(document);
  if (!checked.ok) throw new Error(checked.problems.join('; '));
  return checked.model;
})();

const { given, rowsOf } = useSite();

async function path(): Promise<string> {
  const rows = await rowsOf('stage_transitions');
  return rows
    .sort((one, other) => Number(one['transition_number']) - Number(other['transition_number']))
    .map(({ to_stage, journey_number }) => `${String(to_stage)} ${String(journey_number)}`)
    .join(', ');
}

const paths: [string, string, (string | Partial<Given>)[], string][] = [
  [
    'b2b_saas',
    'a look at the prices is interest',
    ['page_view', 'pricing_viewed'],
    'awareness 1, consideration 1',
  ],
  ['b2b_saas', 'a trial decides', ['sign_up', 'trial_started'], 'consideration 1, decision 1'],
  ['b2b_saas', 'a demo decides', ['demo_requested'], 'decision 1'],
  ['b2b_saas', 'a quote decides', ['quote_requested'], 'decision 1'],
  ['b2b_saas', 'the use of a trial moves nothing', ['trial_started', 'login'], 'decision 1'],
  [
    'b2b_saas',
    'a subscription is the purchase, onboarding its use',
    ['trial_started', 'subscription_started', 'onboarding_step_completed'],
    'decision 1, purchase 1, retention 1',
  ],
  [
    'b2b_saas',
    'a renewal keeps the journey',
    ['subscription_started', 'login', 'subscription_renewed'],
    'purchase 1, retention 1',
  ],
  [
    'b2b_saas',
    'a customer who looks at prices stays, one who asks for a quote begins a new journey',
    ['subscription_started', 'login', 'pricing_viewed', 'quote_requested'],
    'purchase 1, retention 1, decision 2',
  ],
  [
    'b2b_saas',
    'a decision cools after 90 days',
    ['demo_requested', { at: start + 90 * day, name: 'page_view' }],
    'decision 1, consideration 1',
  ],
  [
    'loyalty',
    'after the first purchase comes post_purchase',
    ['purchase', 'order_delivered'],
    'purchase 1, post_purchase 1',
  ],
  [
    'loyalty',
    'who joins the programme after a purchase is loyal',
    ['purchase', 'loyalty_joined'],
    'purchase 1, loyalty 1',
  ],
  [
    'loyalty',
    'who bought twice is loyal',
    ['purchase', 'order_delivered', 'purchase', 'order_delivered'],
    'purchase 1, post_purchase 1, purchase 2, loyalty 2',
  ],
  [
    'loyalty',
    'joining before any purchase is interest',
    ['page_view', 'loyalty_joined'],
    'awareness 1, consideration 1',
  ],
  [
    'loyalty',
    'a review of 80 % advocates',
    ['purchase', { name: 'review_submitted', properties: { rating: 4 } }],
    'purchase 1, advocacy 1',
  ],
  [
    'loyalty',
    'a decision that cools leads back to post_purchase',
    ['purchase', 'add_to_cart', { at: start + 31 * day, name: 'page_view' }],
    'purchase 1, decision 2, post_purchase 2',
  ],
  [
    'loyalty',
    'a decision that cools leads a loyal customer back to loyalty',
    ['purchase', 'loyalty_joined', 'add_to_cart', { at: start + 31 * day, name: 'page_view' }],
    'purchase 1, loyalty 1, decision 2, loyalty 2',
  ],
];

test.each(paths)('%s: %s', async (model, _, names, expected) => {
  await given.settings({ model_name: model, model_version: 1 });
  await given.touchpoints(minutes(...names));
  expect(await path()).toBe(expected);
});

async function siteWith(model: ModelDocument | string): Promise<Site> {
  const site = await makeSite(database.pool);
  await applyModel(database.pool, {
    siteId: site.siteId,
    model: typeof model === 'string' ? await readModel(model) : model,
  });
  return site;
}

describe('a condition on properties', () => {
  const cases: [string, Partial<Given>, string][] = [
    [
      'at_least and at_most hold at their limits',
      { name: 'demo_requested', properties: { seats: 5 } },
      'big_team',
    ],
    ['at_most holds up to its limit', { name: 'demo_requested', properties: { seats: 50 } }, 'big_team'],
    ['more than at_most does not hold', { name: 'demo_requested', properties: { seats: 51 } }, 'other_demo'],
    ['a number given as text is read', { name: 'demo_requested', properties: { seats: '7.5' } }, 'big_team'],
    [
      'what is no number holds nothing',
      { name: 'demo_requested', properties: { seats: 'many' } },
      'other_demo',
    ],
    [
      'not turns a list round',
      { name: 'demo_requested', properties: { seats: 9, country: 'XX' } },
      'other_demo',
    ],
    ['any holds with one of them: exists', { name: 'view_item', properties: { coupon: 'MAY' } }, 'voucher'],
    ['null is as missing', { name: 'view_item', properties: { coupon: null } }, 'any_other'],
    ['any holds with one of them: equals', { name: 'login', properties: { is_member: true } }, 'voucher'],
    ['text is not true', { name: 'login', properties: { is_member: 'true' } }, 'any_other'],
    ['no properties hold nothing', { name: 'view_item' }, 'any_other'],
    ['an event of one’s own can be a signal', { name: 'contract_signed' }, 'contract'],
  ];
  test.each(cases)('%s', async (_, touchpoint, rule) => {
    const site = await siteWith(own);
    await storeGiven(database.pool, site, minutes(touchpoint));
    await database.derive(start + 60_000);
    const { stage_transitions: rows } = await rowsOfViews(database.pool, site, ['stage_transitions']);
    expect(rows).toMatchObject([{ rule, model_version: 2 }]);
    await expectAsReference(database.pool, site, start + 60_000);
    await removeSite(database.pool, site);
  });
});

test(
  'histories under every model, in any order of arrival, give the views of the reference model, and verify finds no difference',
  async () => {
    const model = fc.constantFrom<ModelDocument | string>('b2b_saas', 'loyalty', own);
    await fc.assert(
      fc.asyncProperty(history(30), model, choices, async (touchpoints, document, how) => {
        const site = await siteWith(document);
        const { parts, instants } = deliveryOf(touchpoints, how);
        for (const [index, part] of parts.entries()) {
          await storeGiven(database.pool, site, part);
          await database.derive(instants[index]!);
        }
        await expectAsReference(database.pool, site, Math.max(...instants));
        await expectVerified(database.pool);
        await removeSite(database.pool, site);
      }),
      runs,
    );
  },
  timeout,
);

describe('changing a model', () => {
  const asOf = start + 3 * day;
  const history = [
    ...minutes('page_view', 'pricing_viewed', 'purchase', 'login'),
    { anonymous_id: 'bob', at: start, name: 'demo_requested' },
    { anonymous_id: 'eve', at: start + 3 * day - 60_000, name: 'view_item' },
  ];
  const stageOf = async (site: Site) => {
    const { current_stages: rows } = await rowsOfViews(database.pool, site, ['current_stages']);
    return rows!.map(({ stage }) => String(stage)).sort((a, b) => a.localeCompare(b));
  };
  const old = ['consideration', 'decision', 'retention'];

  test('derives everybody anew, and the transitions carry the new version', async () => {
    const site = await makeSite(database.pool);
    await storeGiven(database.pool, site, history);
    await database.derive(asOf);
    expect(await stageOf(site)).toEqual(old);
    const progress: string[] = [];
    const applied = await applyModel(database.pool, {
      siteId: site.siteId,
      model: await readModel('loyalty'),
      onProgress: (phase, done, total) => progress.push(`${phase} ${done} of ${total}`),
    });
    expect(applied).toEqual({ version: 2, isChanged: true });
    expect(progress).toEqual(expect.arrayContaining(['derived 0 of 3', 'derived 3 of 3', 'switched 0 of 3']));
    expect(await stageOf(site)).toEqual(['consideration', 'decision', 'post_purchase']);
    await expectAsReference(database.pool, site, asOf);
    await expectVerified(database.pool);
    const { stage_transitions: rows } = await rowsOfViews(database.pool, site, ['stage_transitions']);
    expect(new Set(rows!.map(({ model_version }) => model_version))).toEqual(new Set([2]));
    await removeSite(database.pool, site);
  });

  test('again to the same model changes nothing', async () => {
    const site = await siteWith('loyalty');
    const again = { siteId: site.siteId, model: await readModel('loyalty') };
    expect(await applyModel(database.pool, again)).toEqual({ version: 2, isChanged: false });
    expect(await applyModel(database.pool, { ...again, model: await readModel('ecommerce') })).toEqual({
      version: 3,
      isChanged: true,
    });
    await removeSite(database.pool, site);
  });

  test('that was ended halfway leaves the old answers, goes on, and takes in what came meanwhile', async () => {
    const site = await makeSite(database.pool);
    await storeGiven(database.pool, site, history);
    await database.derive(asOf);
    const client = await openSession(database.pool);
    await client.query('select store.begin_model_change($1, $2)', [
      site.siteId,
      JSON.stringify(await readModel('loyalty')),
    ]);
    await client.query('select store.derive_next_stages($1, 2)', [site.siteId]);
    await client.end();
    expect(await stageOf(site)).toEqual(old);
    expect(await modelOf(database.pool, site.siteId)).toMatchObject({
      version: 1,
      change: { version: 2, done: 2 },
    });

    // Live derivation goes on under the old model, and a late purchase changes who was derived already or not.
    await storeGiven(database.pool, site, [
      { anonymous_id: 'bob', at: start + 1, name: 'purchase' },
      { anonymous_id: 'eve', at: start + 2, user_id: 'u1', name: 'add_to_cart' },
      { anonymous_id: 'zoe', at: start + 3, name: 'share' },
      { ...ada, at: start + 3 * day, name: 'purchase' },
    ]);
    // and time passes: eve's decision cools, but neither run has seen that yet
    const later = asOf + 40 * day;
    await database.derive(later);
    await expectAsReference(database.pool, site, later);
    await expectVerified(database.pool);

    const applied = await applyModel(database.pool, {
      siteId: site.siteId,
      model: await readModel('loyalty'),
    });
    expect(applied).toEqual({ version: 2, isChanged: true });
    await expectAsReference(database.pool, site, later);
    await expectVerified(database.pool);
    await removeSite(database.pool, site);
  });

  test('that was left is finished by a serving collector, which arms nothing for what falls due in the past', async () => {
    const site = await makeSite(database.pool);
    await storeGiven(database.pool, site, history);
    await database.derive(asOf);
    const client = await openSession(database.pool);
    await client.query('select store.begin_model_change($1, $2)', [
      site.siteId,
      JSON.stringify(await readModel('loyalty')),
    ]);
    await client.query('select store.derive_next_stages($1, 2)', [site.siteId]);
    await client.end();

    const begunAt = Date.now();
    const log = pino({ level: 'silent' });
    const collectors = [
      startResuming({ pool: database.pool, log }),
      startResuming({ pool: database.pool, log }),
    ];
    await vi.waitFor(
      async () =>
        expect(await modelOf(database.pool, site.siteId)).toMatchObject({ version: 2, change: null }),
      { timeout: 20_000, interval: 50 },
    );
    await Promise.all(collectors.map((collector) => collector.stop()));
    await expectAsReference(database.pool, site, asOf);
    await expectVerified(database.pool);
    const { rows } = await database.pool.query<{ triggers_from: Date }>(
      'select triggers_from from store.sites where site_id = $1',
      [site.siteId],
    );
    expect(rows[0]!.triggers_from.getTime()).toBeGreaterThan(begunAt - 1_000);
    await removeSite(database.pool, site);
  });

  test('fires the timers that are due under the new model alone', async () => {
    const site = await makeSite(database.pool);
    await storeGiven(database.pool, site, history);
    await database.derive(start + day / 2);
    const client = await openSession(database.pool);
    await client.query('select store.begin_model_change($1, $2)', [site.siteId, JSON.stringify(own)]);
    await client.query('select store.derive_next_stages($1, 10)', [site.siteId]);
    await client.end();
    const deriver = await Deriver.open(database.pool);
    await deriver.advanceClocks(new Date(start + 10 * day));
    await deriver.close();
    await applyModel(database.pool, { siteId: site.siteId, model: own });
    await expectAsReference(database.pool, site, start + 10 * day);
    await expectVerified(database.pool);
    await removeSite(database.pool, site);
  });

  test('is told in the feed as such, and arms no trigger', async () => {
    const site = await makeSite(database.pool);
    await storeGiven(database.pool, site, history);
    await database.derive(asOf);
    const newest = async (table: string) => {
      const { rows } = await database.pool.query<{ count: number }>(
        `select count(*)::integer as count from store.${table} where site_id = $1`,
        [site.siteId],
      );
      return rows[0]!.count;
    };
    const [changes, triggers] = [await newest('changes'), await newest('cart_triggers')];
    await applyModel(database.pool, { siteId: site.siteId, model: await readModel('loyalty') });
    const { rows } = await database.pool.query<{ origin: string; type: string }>(
      'select origin, type from store.changes where site_id = $1 and cursor > $2 order by cursor',
      [site.siteId, changes],
    );
    expect(new Set(rows.map(({ origin }) => origin))).toEqual(new Set(['model']));
    expect(rows.filter(({ type }) => type === 'stage.changed')).toHaveLength(1);
    expect(await newest('cart_triggers')).toBe(triggers);
    await removeSite(database.pool, site);
  });
});
