import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { changeGoals, goalsOf } from '../../src/goals/change.ts';
import type { Goal } from '../../src/goals/document.ts';
import { database, useSite } from './fixture.ts';
import { type Given, makeSite, removeSite, storeGiven } from './given.ts';
import { choices, deliveryOf, history, someGoals } from './histories.ts';
import { expectAsReference, expectVerified } from './views.ts';
import { propertyRuns } from '../support/properties.ts';

const { given, rowsOf, siteId } = useSite();

type GoalGiven = { name: string; event: string; [key: string]: unknown };

function goals(...list: GoalGiven[]): Promise<void> {
  const whole = list.map((goal) => ({ counting: 'every_time', is_primary: false, ...goal }));
  return given.settings({ goals: JSON.stringify(whole) });
}

const purchase: GoalGiven = { name: 'purchase', event: 'purchase', is_primary: true };
const signUp: GoalGiven = { name: 'sign_up', event: 'sign_up', is_primary: true };

/** A touchpoint of Ada's at a time of day on 5 January. */
function on(time: string, name = 'page_view', more: Partial<Given> = {}): Given {
  return { anonymous_id: 'ada', at: `2026-01-05T${time}Z`, name, ...more };
}

const server: Partial<Given> = { source: 'server', is_trusted: true };

async function conversions() {
  const rows = await rowsOf('conversions');
  return rows.sort((a, b) =>
    JSON.stringify([a['occurred_at'], a['goal']]) < JSON.stringify([b['occurred_at'], b['goal']]) ? -1 : 1,
  );
}

async function metrics() {
  const rows = await rowsOf('conversion_metrics');
  return rows.sort((a, b) => (String(a['channel']) < String(b['channel']) ? -1 : 1));
}

describe('goals name any touchpoint as a conversion', () => {
  test('by its name', async () => {
    await goals(purchase, signUp);
    await given.touchpoints([
      on('10:00', 'page_view'),
      on('10:01', 'sign_up'),
      on('10:02', 'purchase', { properties: { transaction_id: 'o1', value: 20 } }),
    ]);
    const [session] = await rowsOf('sessions');
    expect(await conversions()).toMatchObject([
      { goal: 'sign_up', session_id: session!['session_id'], order_id: null, value: null, currency: null },
      { goal: 'purchase', order_id: 'o1', value: 20, currency: 'EUR', is_primary: true },
    ]);
    expect(await metrics()).toMatchObject([
      { conversions: 2, primary_conversions: 2, orders: 1, converting_sessions: 1, converting_persons: 1 },
    ]);
  });

  test('on a condition on its properties', async () => {
    await goals({ name: 'big_quote', event: 'quote_requested', when: { property: 'seats', at_least: 50 } });
    await given.touchpoints([
      on('10:00', 'quote_requested', { properties: { seats: 49 } }),
      on('10:01', 'quote_requested', { properties: { seats: '50' } }),
      on('10:02', 'quote_requested'),
    ]);
    expect(await conversions()).toMatchObject([
      { goal: 'big_quote', occurred_at: '2026-01-05T10:01:00.000Z' },
    ]);
  });

  test('an offline one too', async () => {
    await goals({ name: 'visit', event: 'store_visit', is_primary: true });
    await given.touchpoints([
      { at: '2026-01-05T10:00Z', user_id: 'u1', name: 'store_visit', source: 'store', is_trusted: true },
    ]);
    expect(await metrics()).toMatchObject([
      {
        channel: 'In Store',
        device: 'none',
        sessions: 0,
        persons: 1,
        converting_persons: 1,
        conversion_rate: 1,
      },
    ]);
  });

  test('one touchpoint may reach several', async () => {
    await goals(signUp, { ...signUp, name: 'lead' });
    await given.touchpoints([on('10:00', 'sign_up')]);
    const rows = await conversions();
    expect(rows.map(({ goal }) => goal)).toEqual(['lead', 'sign_up']);
    expect(new Set(rows.map(({ conversion_id }) => conversion_id)).size).toBe(2);
  });

  test('but not calls of type identify, group and alias, nor bots', async () => {
    await goals({ ...signUp, event: 'identify' });
    const context = { userAgent: 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' };
    await given.touchpoints([
      on('10:00'),
      on('10:01', 'identify', { type: 'identify' }),
      on('10:02', 'identify', { context }),
    ]);
    expect(await conversions()).toEqual([]);
  });
});

describe('a conversion counts', () => {
  const inThreeSessions = [
    on('10:00', 'sign_up'),
    on('10:01', 'sign_up'),
    on('12:00', 'sign_up'),
    on('12:00', 'sign_up', { anonymous_id: 'bob' }),
  ];

  test('every time', async () => {
    await goals(signUp);
    await given.touchpoints(inThreeSessions);
    expect(await conversions()).toHaveLength(4);
    expect(await metrics()).toMatchObject([
      { conversions: 4, converting_sessions: 3, converting_persons: 2 },
    ]);
  });

  test('once per session: the first', async () => {
    await goals({ ...signUp, counting: 'once_per_session' });
    await given.touchpoints(inThreeSessions);
    expect((await conversions()).map(({ occurred_at }) => occurred_at)).toEqual([
      '2026-01-05T10:00:00.000Z',
      '2026-01-05T12:00:00.000Z',
      '2026-01-05T12:00:00.000Z',
    ]);
  });

  test('once per session also where the first of it comes late', async () => {
    await goals({ ...signUp, counting: 'once_per_session' });
    await given.touchpoints([on('10:05', 'sign_up'), on('10:06', 'sign_up')]);
    await given.touchpoints([on('10:00', 'sign_up')]);
    expect(await conversions()).toMatchObject([{ occurred_at: '2026-01-05T10:00:00.000Z' }]);
    expect(await metrics()).toMatchObject([{ conversions: 1 }]);
  });

  test('each without a session, also once per session', async () => {
    await goals({ ...signUp, counting: 'once_per_session' });
    await given.touchpoints([
      { at: '2026-01-05T10:00Z', user_id: 'u1', name: 'sign_up', ...server },
      { at: '2026-01-05T10:01Z', user_id: 'u1', name: 'sign_up', ...server },
    ]);
    expect(await metrics()).toMatchObject([{ conversions: 2, persons: 1, converting_persons: 1 }]);
  });
});

describe('a conversion is worth', () => {
  test.each<[string, Partial<GoalGiven>, Given['properties'], object]>([
    ['its property value', {}, { value: 12.5, currency: 'usd' }, { value: 12.5, currency: 'USD' }],
    ['its revenue, as Segment has it', {}, { revenue: '7' }, { value: 7, currency: 'EUR' }],
    ['a property the goal names', { value: { property: 'seats' } }, { seats: 3, value: 9 }, { value: 3 }],
    [
      'a fixed amount',
      { value: { amount: 50, currency: 'CHF' } },
      { value: 9, currency: 'USD' },
      { value: 50, currency: 'CHF' },
    ],
    ['nothing', {}, { value: -1, currency: 'USD' }, { value: null, currency: null, value_site: null }],
  ])('%s', async (_, goal, properties, worth) => {
    await goals({ ...signUp, ...goal });
    await given.touchpoints([on('10:00', 'sign_up', { properties: properties ?? {} })]);
    expect(await conversions()).toMatchObject([worth]);
  });

  test('as much in the site’s currency as the rate of its day says', async () => {
    await goals({ ...signUp, value: { amount: 22, currency: 'USD' } });
    await given.touchpoints([on('10:00', 'sign_up')]);
    expect(await conversions()).toMatchObject([{ value: 22, value_site: null }]);
    await given.rates('2026-01-05,USD,1.1');
    expect(await conversions()).toMatchObject([{ value: 22, value_site: 20 }]);
  });
});

describe('a goal about purchases counts orders', () => {
  const large: GoalGiven = {
    name: 'large',
    event: 'purchase',
    when: { property: 'value', at_least: 100 },
    is_primary: true,
  };
  const order = { transaction_id: 'o1', value: 120 };

  test('once across browser, server and import, as the order has it', async () => {
    await goals(large);
    await given.touchpoints([
      on('10:00', 'purchase', { properties: order }),
      on('10:01', 'purchase', { properties: { ...order, value: 130 }, ...server }),
      on('11:00', 'purchase', { properties: { transaction_id: 'o2', value: 99 } }),
    ]);
    expect(await conversions()).toMatchObject([{ goal: 'large', order_id: 'o1', value: 130 }]);
  });

  test('beside the goal purchase, which counts every order', async () => {
    await goals(purchase, large);
    await given.touchpoints([
      on('10:00', 'purchase', { properties: order }),
      on('10:01', 'subscription_started', { properties: { transaction_id: 'o2' } }),
    ]);
    expect((await conversions()).map(({ goal }) => goal)).toEqual(['large', 'purchase', 'purchase']);
  });

  test('a touchpoint that comes later may make an order reach it', async () => {
    await goals(large);
    await given.touchpoints([on('10:00', 'purchase', { properties: { transaction_id: 'o1' } })]);
    expect(await conversions()).toEqual([]);
    await given.touchpoints([on('10:10', 'purchase', { properties: order, ...server })]);
    expect(await conversions()).toMatchObject([{ occurred_at: '2026-01-05T10:00:00.000Z', value: 120 }]);
  });

  test('without the goal purchase orders are no conversions, and stay revenue', async () => {
    await goals(signUp);
    await given.touchpoints([
      on('10:00', 'purchase', { properties: order }),
      { at: '2026-01-05T10:00Z', user_id: 'u9', name: 'purchase', properties: { value: 5 }, ...server },
    ]);
    expect(await conversions()).toEqual([]);
    expect(await metrics()).toMatchObject([
      { conversions: 0, converting_persons: 0, conversion_rate: 0, orders: 1, revenue: 120 },
      { channel: 'Unassigned', sessions: 0, persons: 1, conversion_rate: 0, orders: 1, revenue: 5 },
    ]);
    expect(await rowsOf('sessions')).toMatchObject([{ is_engaged: false }]);
  });
});

describe('primary goals make the rates', () => {
  test('others count as conversions, and in no rate', async () => {
    await goals(purchase, { ...signUp, is_primary: false });
    await given.touchpoints([
      on('10:00', 'sign_up'),
      on('10:00', 'purchase', { anonymous_id: 'bob', properties: { value: 20 } }),
    ]);
    expect(await metrics()).toMatchObject([
      {
        sessions: 2,
        persons: 2,
        conversions: 2,
        primary_conversions: 1,
        converting_sessions: 1,
        converting_persons: 1,
        conversion_rate: 0.5,
        session_conversion_rate: 0.5,
      },
    ]);
  });

  test('a session with a conversion of any goal is engaged', async () => {
    await goals(purchase, { ...signUp, is_primary: false });
    await given.touchpoints([on('10:00', 'sign_up'), on('10:00', 'search', { anonymous_id: 'bob' })]);
    const engaged = (await rowsOf('sessions')).filter(({ is_engaged }) => is_engaged);
    expect(engaged).toMatchObject([{ visitor_id: 'ada' }]);
  });
});

describe('a conversion belongs to one session', () => {
  const email = { context: { campaign: { source: 'news', medium: 'email', name: 'may' } } };

  test('where it happened', async () => {
    await goals(signUp);
    await given.touchpoints([on('10:00', 'page_view', email), on('10:05', 'sign_up')]);
    expect(await conversions()).toMatchObject([{ channel: 'Email' }]);
    expect(await metrics()).toMatchObject([{ channel: 'Email', converting_sessions: 1, conversions: 1 }]);
  });

  test('else the person’s last session begun within 24 h before', async () => {
    await goals(signUp);
    await given.touchpoints([
      on('10:00', 'page_view', { ...email, user_id: 'u1' }),
      { at: '2026-01-06T09:59:59.999Z', user_id: 'u1', name: 'sign_up', ...server },
    ]);
    expect(await metrics()).toMatchObject([
      { day: '2026-01-05', channel: 'Email', converting_sessions: 1, conversion_rate: 1 },
    ]);
  });

  test('24 h after its beginning to none: the row Unassigned, device none', async () => {
    await goals(signUp);
    await given.touchpoints([
      on('10:00', 'page_view', { ...email, user_id: 'u1' }),
      { at: '2026-01-06T10:00Z', user_id: 'u1', name: 'sign_up', ...server },
    ]);
    expect(await metrics()).toMatchObject([
      { channel: 'Email', converting_sessions: 0, conversion_rate: 0 },
      {
        day: '2026-01-06',
        channel: 'Unassigned',
        device: 'none',
        sessions: 0,
        persons: 1,
        conversion_rate: 1,
        session_conversion_rate: null,
      },
    ]);
  });

  test('and moves with it when an earlier touchpoint comes late', async () => {
    await goals(signUp);
    await given.touchpoints([on('10:20', 'sign_up')]);
    await given.touchpoints([on('10:00', 'page_view', email)]);
    expect(await metrics()).toMatchObject([{ channel: 'Email', conversions: 1 }]);
  });
});

describe('changing goals', () => {
  const signUpGoal: Goal = {
    name: 'sign_up',
    event: 'sign_up',
    counting: 'once_per_session',
    is_primary: true,
  };
  const purchaseGoal: Goal = {
    name: 'purchase',
    event: 'purchase',
    counting: 'every_time',
    is_primary: true,
  };
  const asOf = Date.parse('2026-01-07T00:00Z');
  const told = [
    on('10:00', 'sign_up'),
    on('10:01', 'sign_up'),
    on('10:02', 'purchase', { properties: { transaction_id: 'o1', value: 20 } }),
    on('11:00', 'sign_up', { anonymous_id: 'bob' }),
    { at: '2026-01-06T09:00Z', user_id: 'u1', name: 'sign_up', ...server },
    { at: '2026-01-06T09:00Z', user_id: 'u2', name: 'purchase', properties: { value: 5 }, ...server },
  ];
  const expectRight = async (): Promise<void> => {
    await expectAsReference(database.pool, { siteId: siteId() }, asOf);
    await expectVerified(database.pool);
  };

  test.each<[string, Goal[]]>([
    ['adds one', [purchaseGoal, signUpGoal]],
    ['puts others in their place', [{ ...signUpGoal, name: 'lead' }]],
    ['makes purchase secondary', [{ ...purchaseGoal, is_primary: false }, signUpGoal]],
    [
      'counts only some orders',
      [{ ...purchaseGoal, name: 'large', when: { property: 'value', at_least: 10 } }],
    ],
    ['leaves none', []],
  ])('%s, for the whole history', async (_, next) => {
    await given.touchpoints(told, { asOf });
    for (const goals of [next, [signUpGoal], next, [purchaseGoal]]) {
      await changeGoals(database.pool, siteId(), goals);
      await database.derive(asOf);
      expect(await goalsOf(database.pool, siteId())).toEqual({ goals, next: null });
      await expectRight();
    }
  });

  test('leaves the old answers readable until all are there', async () => {
    await given.touchpoints(told, { asOf });
    const before = [await conversions(), await metrics(), await rowsOf('sessions')];
    const changing = await changeGoals(database.pool, siteId(), [signUpGoal]);
    expect(changing).toEqual({ goals: [purchaseGoal], next: [signUpGoal] });
    expect([await conversions(), await metrics(), await rowsOf('sessions')]).toEqual(before);
    await database.derive(asOf);
    expect(await conversions()).toHaveLength(3);
  });

  test('takes in what arrives and what changes hands meanwhile', async () => {
    await given.touchpoints(told, { asOf });
    await changeGoals(database.pool, siteId(), [signUpGoal]);
    const session = await database.session();
    const step = async (): Promise<boolean> => {
      const { rows } = await session.query<{ done: boolean }>(
        'select store.derive_goal_changes(2, true) as done',
      );
      return rows[0]!.done;
    };
    try {
      await step();
      await storeGiven(database.pool, { siteId: siteId() }, [
        on('09:59', 'sign_up'),
        on('12:00', 'sign_up', { anonymous_id: 'bob', user_id: 'u1' }),
      ]);
      await session.query('select store.derive_batches(1000, 1)');
      await step();
      await storeGiven(database.pool, { siteId: siteId() }, [on('13:00', 'sign_up')]);
      while (await step());
    } finally {
      await session.end();
    }
    await database.derive(asOf);
    await expectRight();
    expect(await conversions()).toHaveLength(4);
  });

  test('to the same begins nothing, and to others forgets what was under way', async () => {
    await given.touchpoints(told, { asOf });
    await changeGoals(database.pool, siteId(), [signUpGoal]);
    expect(await changeGoals(database.pool, siteId(), [purchaseGoal])).toEqual({
      goals: [purchaseGoal],
      next: null,
    });
    await database.derive(asOf);
    await expectRight();
  });

  const { runs, timeout } = propertyRuns();
  const lists = fc.array(fc.subarray([purchaseGoal, { ...purchaseGoal, is_primary: false }, ...someGoals]), {
    minLength: 1,
    maxLength: 3,
  });
  test(
    'at any time, more than once, and while touchpoints arrive in any order: it ends as if they had always been so',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          history(30),
          choices,
          lists,
          fc.infiniteStream(fc.nat(4)),
          async (told, how, changes, dice) => {
            const { parts, instants } = deliveryOf(told, how);
            const end = Math.max(...instants, ...told.map(({ at }) => Number(at)));
            const site = await makeSite(database.pool);
            const session = await database.session();
            const left = changes.map((list) =>
              list.filter((goal, index) => list.findIndex(({ name }) => name === goal.name) === index),
            );
            try {
              for (const part of parts) {
                await storeGiven(database.pool, site, part);
                const turn = dice.next().value;
                if (turn === 0 && left.length > 1)
                  await changeGoals(database.pool, site.siteId, left.shift()!);
                if (turn < 3) await session.query('select store.derive_goal_changes(7, true)');
                if (turn > 1) await session.query('select store.derive_batches(1000, 1)');
              }
              const last = left.at(-1)!;
              await changeGoals(database.pool, site.siteId, last);
              await database.derive(end);
              expect(await goalsOf(database.pool, site.siteId)).toEqual({ goals: last, next: null });
              await expectAsReference(database.pool, site, end);
              await expectVerified(database.pool);
            } finally {
              await session.end();
              await removeSite(database.pool, site);
            }
          },
        ),
        { ...runs, numRuns: Math.ceil(runs.numRuns / 2) },
      );
    },
    timeout,
  );
});
