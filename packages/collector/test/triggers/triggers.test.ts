/** Triggers (SEMANTICS 7): when they fall due, what becomes of them, and what they do to carts. */
import { describe, expect, test } from 'vitest';
import { rebuild, verify } from '../../src/derive/index.ts';
import { database, useSite } from '../derive/fixture.ts';
import type { Given } from '../derive/given.ts';

const { given, rowsOf } = useSite();

const boots = { item_id: 'boots', quantity: 1, price: 120.5 };

/** A touchpoint of Ada's at a time of January, as `05T10:00`. */
function on(
  at: string,
  name: string,
  properties: Given['properties'] = {},
  more: Partial<Given> = {},
): Given {
  return { anonymous_id: 'ada', at: `2026-01-${at}Z`, name, properties, ...more };
}

const add = (at: string, more: Partial<Given> = {}) => on(at, 'add_to_cart', { items: [boots] }, more);
const buy = (at: string, more: Partial<Given> = {}) => on(at, 'purchase', { value: 120.5 }, more);
const day = (at: string) => `2026-01-${at}Z`;
const iso = (at: string) => new Date(day(at)).toISOString();

async function triggers() {
  const rows = await rowsOf('cart_triggers');
  return rows.sort((a, b) =>
    `${String(a['due_at'])} ${String(a['step'])}` < `${String(b['due_at'])} ${String(b['step'])}` ? -1 : 1,
  );
}

async function cartStates() {
  const rows = await rowsOf('carts');
  return rows
    .sort((a, b) => (String(a['opened_at']) < String(b['opened_at']) ? -1 : 1))
    .map(({ state }) => state);
}

async function published() {
  const rows = await rowsOf('changes');
  return rows.filter(({ type }) => /\.(abandoned|recovered)$/.test(String(type)));
}

describe('as_of one millisecond before and at each due instant', () => {
  test('a cart without a checkout: 60 minutes', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T10:59:59.999'));
    expect(await triggers()).toEqual([]);
    await given.firing(day('05T11:00'));
    expect(await triggers()).toMatchObject([
      {
        tier: 'cart',
        step: 1,
        due_at: iso('05T11:00'),
        fired_at: iso('05T11:00'),
        state: 'delivered',
        reason: null,
      },
    ]);
  });

  test('from the first checkout step on: 30 minutes', async () => {
    await given.touchpoints([on('05T10:00', 'begin_checkout', { items: [boots] })]);
    await given.firing(day('05T10:29:59.999'));
    expect(await triggers()).toEqual([]);
    await given.firing(day('05T10:30'));
    expect(await triggers()).toMatchObject([
      { tier: 'checkout', due_at: iso('05T10:30'), state: 'delivered' },
    ]);
  });

  test('a product seen, then 24 hours without a signal: browse', async () => {
    await given.touchpoints([on('05T10:00', 'view_item'), on('05T10:05', 'page_view')]);
    await given.firing(day('06T10:04:59.999'));
    expect(await triggers()).toEqual([]);
    await given.firing(day('06T10:05'));
    expect(await triggers()).toMatchObject([
      { tier: 'browse', cart_key: null, due_at: iso('06T10:05'), state: 'delivered' },
    ]);
  });

  test('steps are due at the abandonment, 24 and 72 hours after it, where the site says so', async () => {
    await given.settings({ trigger_steps: ['0 hours', '24 hours', '72 hours'] });
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    const dues = (await triggers()).map(({ due_at }) => due_at);
    expect(dues).toEqual([iso('05T11:00'), iso('06T11:00'), iso('08T11:00')]);
    const states = async () => (await triggers()).map(({ state }) => state);
    expect(await states()).toEqual(['delivered', 'pending', 'pending']);
    await given.firing(day('06T10:59:59.999'));
    expect(await states()).toEqual(['delivered', 'pending', 'pending']);
    await given.firing(day('06T11:00'));
    expect(await states()).toEqual(['delivered', 'delivered', 'pending']);
    await given.firing(day('08T11:00'));
    expect(await states()).toEqual(['delivered', 'delivered', 'delivered']);
  });
});

describe('one tier an episode, checkout if it was reached', () => {
  test('and a later episode its own', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([on('07T10:00', 'add_shipping_info')]);
    await given.firing(day('07T10:30'));
    expect(await triggers()).toMatchObject([
      { tier: 'cart', state: 'delivered' },
      { tier: 'checkout', due_at: iso('07T10:30'), state: 'delivered' },
    ]);
  });

  test('it fires once, however often it is looked for', async () => {
    await given.touchpoints([add('05T10:00')]);
    for (const at of ['05T11:00', '05T11:00:00.500', '05T11:01']) await given.firing(day(at));
    expect(await published()).toMatchObject([{ type: 'cart.abandoned', origin: 'live' }]);
    expect((await published())[0]?.['after']).toMatchObject({
      tier: 'cart',
      step: 1,
      value: 120.5,
      lines: [{ item_id: 'boots' }],
    });
  });
});

describe('just before each attempt the cart is read again', () => {
  test('a purchase of the person voids it', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.asOf(day('05T11:00'));
    expect(await triggers()).toMatchObject([{ state: 'pending' }]);
    await given.touchpoints([buy('05T11:00:01')]);
    await given.firing(day('05T11:00:02'));
    expect(await triggers()).toMatchObject([{ state: 'voided', reason: 'purchased', fired_at: null }]);
    expect(await cartStates()).toEqual(['self_recovered']);
    expect(await published()).toEqual([]);
  });

  test('a purchase of another cart of the person voids it too', async () => {
    await given.touchpoints([
      on('05T10:00', 'add_to_cart', { items: [boots], cart_id: 'c1' }),
      on('05T10:30', 'add_to_cart', { items: [boots], cart_id: 'c2' }),
    ]);
    await given.asOf(day('05T11:00'));
    await given.touchpoints([on('05T11:00:01', 'purchase', { value: 1, cart_id: 'c2' })]);
    await given.firing(day('05T11:00:02'));
    expect(await triggers()).toMatchObject([{ state: 'voided', reason: 'purchased' }]);
    expect(await cartStates()).toEqual(['abandoned', 'purchased']);
  });

  test('so does coming back before the next step', async () => {
    await given.settings({ trigger_steps: ['0 hours', '24 hours'] });
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([on('05T15:00', 'view_cart')]);
    expect(await triggers()).toMatchObject([{ state: 'delivered' }, { state: 'voided', reason: 'returned' }]);
  });

  test('so does emptying it', async () => {
    await given.settings({ trigger_steps: ['0 hours', '24 hours'] });
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([on('05T15:00', 'remove_from_cart', { items: [boots] })]);
    expect(await triggers()).toMatchObject([{ state: 'delivered' }, { state: 'voided', reason: 'emptied' }]);
  });

  test('a claim is refused once somebody bought, and told what to send before', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.asOf(day('05T11:00'));
    const [armed] = await triggers();
    await database.pool.query(
      `update store.cart_triggers set state = 'fired', fired_at = due_at where trigger_id = $1`,
      [armed!['trigger_id']],
    );
    const claim = async (at: string) =>
      (
        await database.pool.query<{ told: object | null }>(
          'select store.claim_trigger(site_id, trigger_id, $2) as told from store.cart_triggers where trigger_id = $1',
          [armed!['trigger_id'], day(at)],
        )
      ).rows[0]?.told;
    expect(await claim('05T11:00:01')).toMatchObject({ tier: 'cart', value: 120.5 });
    expect(await triggers()).toMatchObject([{ state: 'fired', attempt_count: 1 }]);
    await given.touchpoints([buy('05T11:00:02')]);
    expect(await claim('05T11:00:03')).toBe(null);
    expect(await triggers()).toMatchObject([{ state: 'voided', reason: 'purchased', attempt_count: 1 }]);
  });
});

describe('a late touchpoint re-dates the cart; a fired trigger then shows superseded', () => {
  test('by an activity, and nothing is sent twice', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([on('05T10:20', 'view_cart')], { asOf: day('05T11:05') });
    expect(await triggers()).toMatchObject([{ state: 'superseded', fired_at: iso('05T11:00') }]);
    expect(await cartStates()).toEqual(['open']);
    await given.firing(day('05T11:20'));
    expect(await triggers()).toMatchObject([
      { state: 'superseded' },
      { state: 'suppressed', reason: 'cap', due_at: iso('05T11:20'), fired_at: null },
    ]);
    expect(await published()).toHaveLength(1);
  });

  test('also where the site has no cap', async () => {
    await given.settings({ trigger_cap_window: '0 hours' });
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([on('05T10:20', 'view_cart')], { asOf: day('05T11:05') });
    await given.firing(day('05T11:20'));
    expect(await triggers()).toMatchObject([
      { state: 'superseded' },
      { state: 'suppressed', reason: 'superseded' },
    ]);
  });

  test('a late purchase before a fired trigger', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([buy('05T10:50')], { asOf: day('05T11:05') });
    expect(await triggers()).toMatchObject([
      { state: 'superseded', reason: 'purchased', fired_at: iso('05T11:00') },
    ]);
    expect(await cartStates()).toEqual(['purchased']);
    expect(await published()).toHaveLength(1);
  });

  test('a checkout reached before was of the other tier', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([on('05T09:59', 'begin_checkout')], { asOf: day('05T11:05') });
    await given.firing(day('05T11:06'));
    const rows = await triggers();
    expect(rows.filter(({ fired_at }) => fired_at !== null)).toMatchObject([
      { tier: 'cart', state: 'superseded' },
    ]);
    expect(await published()).toHaveLength(1);
  });

  test('a late page view changes nothing', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([on('05T10:20', 'page_view'), on('05T09:00', 'page_view')], {
      asOf: day('05T11:05'),
    });
    expect(await triggers()).toMatchObject([{ state: 'delivered' }]);
  });

  test('coming back later is no late touchpoint', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([on('05T12:00', 'view_cart')], { asOf: day('05T12:05') });
    await given.touchpoints([on('05T11:30', 'view_cart')], { asOf: day('05T12:06') });
    expect(await triggers()).toMatchObject([{ state: 'delivered' }]);
  });

  test('before it fired: the next abandonment is what fires', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.asOf(day('05T11:00'));
    await given.touchpoints([on('05T10:20', 'view_cart')], { asOf: day('05T11:01') });
    await given.firing(day('05T11:20'));
    expect(await triggers()).toMatchObject([
      { state: 'voided', reason: 'superseded', fired_at: null },
      { state: 'delivered', due_at: iso('05T11:20') },
    ]);
  });
});

describe('suppressed, with the reason kept', () => {
  test('cap: another first step of the person due less than 24 h before', async () => {
    await given.touchpoints([on('05T10:00', 'add_to_cart', { items: [boots], cart_id: 'c1' })]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([on('06T09:59', 'add_to_cart', { items: [boots], cart_id: 'c2' })]);
    await given.firing(day('06T10:59'));
    await given.touchpoints([on('06T11:00', 'add_to_cart', { items: [boots], cart_id: 'c3' })]);
    await given.firing(day('06T12:00'));
    expect(await triggers()).toMatchObject([
      { state: 'delivered' },
      { state: 'suppressed', reason: 'cap', fired_at: null },
      { state: 'delivered' },
    ]);
  });

  test('cap: its next steps are not sent either', async () => {
    await given.settings({ trigger_steps: ['0 hours', '24 hours'] });
    await given.touchpoints([
      on('05T10:00', 'add_to_cart', { items: [boots], cart_id: 'c1' }),
      on('05T10:30', 'add_to_cart', { items: [boots], cart_id: 'c2' }),
    ]);
    for (const at of ['05T11:00', '05T11:30', '06T11:00', '06T11:30']) await given.firing(day(at));
    expect(await triggers()).toMatchObject([
      { step: 1, state: 'delivered' },
      { step: 1, state: 'suppressed', reason: 'cap' },
      { step: 2, state: 'delivered' },
      { step: 2, state: 'suppressed', reason: 'cap' },
    ]);
  });

  test.each([
    ['05T12:00', { state: 'suppressed', reason: 'higher_tier' }],
    ['07T09:29:59.999', { state: 'suppressed', reason: 'higher_tier' }],
    ['07T09:30', { state: 'delivered', reason: null }],
  ])('higher_tier: 48 h after one; a cart left at %s', async (at, expected) => {
    await given.touchpoints([on('05T10:00', 'begin_checkout', { items: [boots], cart_id: 'c1' })]);
    await given.firing(day('05T10:30'));
    await given.touchpoints([on(at, 'add_to_cart', { items: [boots], cart_id: 'c2' })]);
    await given.firing(new Date(day(at)).getTime() + 3_600_000);
    expect((await triggers())[1]).toMatchObject({ tier: 'cart', ...expected });
  });

  test('stale: found more than 1 h after it was due', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T12:00:00.001'));
    expect(await triggers()).toMatchObject([{ state: 'suppressed', reason: 'stale', fired_at: null }]);
    expect(await published()).toEqual([]);
  });

  test('an hour after it was due exactly is not more', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T12:00'));
    expect(await triggers()).toMatchObject([{ state: 'delivered' }]);
  });

  test('opt_out', async () => {
    await given.touchpoints([
      add('05T10:00'),
      on('05T10:01', '', {}, { type: 'identify', user_id: 'u', traits: { unsubscribed: true } }),
    ]);
    await given.firing(day('05T11:00'));
    expect(await triggers()).toMatchObject([{ state: 'suppressed', reason: 'opt_out' }]);
  });

  test('consent: refused before it fired', async () => {
    await given.touchpoints([
      add('05T10:00'),
      on(
        '05T10:30',
        'page_view',
        {},
        { context: { consent: { analytics: 'granted', marketing: 'denied' } } },
      ),
    ]);
    await given.firing(day('05T11:00'));
    expect(await triggers()).toMatchObject([{ state: 'suppressed', reason: 'consent' }]);
  });

  test('consent: not given, where the site requires it', async () => {
    await given.settings({ consent_required: true });
    await given.touchpoints([add('05T10:00', { context: { consent: { analytics: 'granted' } } })]);
    await given.touchpoints([add('05T10:00', { anonymous_id: 'bob', context: { consent: 'granted' } })]);
    await given.firing(day('05T11:00'));
    const rows = await triggers();
    expect(new Set(rows.map(({ reason }) => reason))).toEqual(new Set(['consent', null]));
  });
});

describe('arm none means no row at all', () => {
  test('denied marketing arms no trigger', async () => {
    const context = { consent: { analytics: 'granted', marketing: 'denied' } };
    await given.touchpoints([
      add('05T10:00', { context }),
      on('05T10:01', 'view_item', {}, { anonymous_id: 'bob', context }),
    ]);
    await given.firing(day('07T11:00'));
    expect(await triggers()).toEqual([]);
  });

  test('rebuilds arm none, and never touch the log', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([add('05T12:00', { anonymous_id: 'bob' })], { asOf: day('05T12:01') });
    const before = await triggers();
    await database.pool.query(`update store.sites set cart_delay = '1 second'`);
    await rebuild(database.pool);
    expect(await triggers()).toEqual(before);
    expect(await cartStates()).toEqual(['abandoned', 'abandoned']);
    await given.firing(day('05T13:00'));
    expect(await triggers()).toEqual(before);
    await database.pool.query(`update store.sites set cart_delay = default`);
  });

  test('a changed setting arms none of what it makes fall due in the past', async () => {
    await given.touchpoints([add('05T10:00')], { asOf: day('05T10:30') });
    await database.pool.query(
      `update store.sites set cart_delay = '1 minute', triggers_from = '2026-01-05T10:30Z'`,
    );
    await given.touchpoints([on('05T10:31', 'page_view'), add('05T10:31', { anonymous_id: 'bob' })], {
      asOf: day('05T10:32'),
    });
    expect(await cartStates()).toEqual(['abandoned', 'abandoned']);
    expect(await triggers()).toMatchObject([{ due_at: iso('05T10:32') }]);
    await database.pool.query(`update store.sites set cart_delay = default, triggers_from = null`);
  });
});

describe('browse.abandoned', () => {
  const seen = (at: string) => on(at, 'view_item');

  test('not with an open or abandoned cart', async () => {
    await given.touchpoints([seen('05T10:00'), add('05T10:01')]);
    for (const at of ['05T11:01', '06T10:01', '08T10:00']) await given.firing(day(at));
    expect(await triggers()).toMatchObject([{ tier: 'cart' }]);
  });

  test('not with a purchase since', async () => {
    await given.touchpoints([seen('05T10:00'), buy('05T10:10')]);
    await given.firing(day('06T10:10'));
    await given.firing(day('08T10:10'));
    expect(await triggers()).toEqual([]);
  });

  test('a signal begins the wait anew', async () => {
    await given.touchpoints([seen('05T10:00')], { asOf: day('05T10:01') });
    await given.touchpoints([on('06T09:59', 'page_view')], { asOf: day('06T10:00') });
    await given.firing(day('06T10:00'));
    expect(await triggers()).toEqual([]);
    await given.firing(day('07T09:59'));
    expect(await triggers()).toMatchObject([{ tier: 'browse', due_at: iso('07T09:59'), state: 'delivered' }]);
  });

  test('once for a product seen', async () => {
    await given.touchpoints([seen('05T10:00')]);
    await given.firing(day('06T10:00'));
    await given.touchpoints([on('07T10:00', 'page_view')]);
    await given.firing(day('08T10:00'));
    expect(await triggers()).toHaveLength(1);
    await given.touchpoints([seen('09T10:00')]);
    await given.firing(day('10T10:00'));
    expect(await triggers()).toMatchObject([
      { state: 'delivered' },
      { due_at: iso('10T10:00'), state: 'delivered' },
    ]);
  });

  test('found late, but not too late', async () => {
    await given.asOf(day('06T10:30'));
    await given.touchpoints([seen('05T10:00'), { ...seen('05T09:00'), anonymous_id: 'bob' }], {
      asOf: day('06T10:30'),
    });
    await given.firing(day('06T10:30:01'));
    expect(await triggers()).toMatchObject([{ due_at: iso('06T10:00'), state: 'delivered' }]);
  });

  test('a person who joins another is not told again', async () => {
    await given.touchpoints([seen('05T10:00')]);
    await given.firing(day('06T10:00'));
    await given.touchpoints([on('06T10:30', '', {}, { type: 'identify', user_id: 'u' })]);
    await given.firing(day('06T11:30'));
    await given.firing(day('08T11:30'));
    const [person] = await rowsOf('persons');
    expect(await triggers()).toMatchObject([{ state: 'delivered', person_id: person!['person_id'] }]);
  });

  test('a signal before it is handed over voids it', async () => {
    await given.touchpoints([seen('05T10:00')]);
    await given.asOf(day('06T10:00'));
    await given.touchpoints([on('06T10:00:01', 'page_view')]);
    await given.firing(day('06T10:01:01'));
    expect(await triggers()).toMatchObject([{ state: 'voided', reason: 'returned' }]);
  });
});

describe('recovered: bought, and one of its triggers was delivered within 7 d before', () => {
  test.each([
    ['05T11:00', 'recovered'],
    ['12T10:59:59.999', 'recovered'],
    ['12T11:00', 'self_recovered'],
  ])('bought at %s: %s', async (at, state) => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([buy(at)]);
    expect(await cartStates()).toEqual([state]);
    expect((await verify(database.pool)).differences).toEqual([]);
  });

  test('the feed names the trigger before it', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T11:00'));
    await given.touchpoints([buy('05T12:00')]);
    const [trigger] = await triggers();
    expect((await published()).filter(({ type }) => type === 'cart.recovered')).toMatchObject([
      { after: { state: 'recovered', trigger_id: trigger!['trigger_id'] } },
    ]);
  });

  test('without such a trigger: self_recovered', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.firing(day('05T12:30'));
    await given.touchpoints([buy('05T13:00')]);
    expect(await cartStates()).toEqual(['self_recovered']);
  });

  test('delivery told of after derivation has seen the purchase', async () => {
    await given.touchpoints([add('05T10:00')]);
    await given.asOf(day('05T11:00'));
    await database.pool.query(`update store.cart_triggers set state = 'fired', fired_at = due_at`);
    await database.pool.query(`update store.cart_triggers set attempted_at = due_at`);
    const [trigger] = await triggers();
    await given.touchpoints([buy('05T11:10')]);
    expect(await cartStates()).toEqual(['self_recovered']);
    await database.pool.query(
      'select store.mark_trigger_delivered(site_id, trigger_id, $2) from store.cart_triggers where trigger_id = $1',
      [trigger!['trigger_id'], day('05T11:05')],
    );
    expect(await cartStates()).toEqual(['recovered']);
    expect((await verify(database.pool)).differences).toEqual([]);
    await given.asOf(day('05T11:12'));
  });
});
