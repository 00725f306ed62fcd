import { describe, expect, test } from 'vitest';
import { useCases, useSite } from './fixture.ts';
import type { Given } from './given.ts';

const { given, rowsOf } = useSite();

async function carts() {
  const rows = await rowsOf('carts');
  return rows.sort((a, b) => (String(a['opened_at']) < String(b['opened_at']) ? -1 : 1));
}

function item(item_id: string, quantity?: number, price?: number) {
  return {
    item_id,
    ...(quantity === undefined ? {} : { quantity }),
    ...(price === undefined ? {} : { price }),
  };
}

/** A touchpoint of Ada's at a time of day on 5 January. */
function on(
  time: string,
  name: string,
  properties: Given['properties'] = {},
  more: Partial<Given> = {},
): Given {
  return { anonymous_id: 'ada', at: `2026-01-05T${time}Z`, name, properties, ...more };
}

const add = (time: string, ...items: ReturnType<typeof item>[]) => on(time, 'add_to_cart', { items });
const boots = item('boots', 1, 120.5);

describe('a cart opens', () => {
  test.each<[string, Given, number]>([
    ['with add_to_cart', add('10:00', boots), 1],
    ['with add_to_cart without a product', on('10:00', 'add_to_cart'), 1],
    ['with begin_checkout', on('10:00', 'begin_checkout'), 1],
    ['with a view_cart that carries lines', on('10:00', 'view_cart', { items: [boots] }), 1],
    ['with a cart_updated that carries lines', on('10:00', 'cart_updated', { items: [boots] }), 1],
    ['not with a view_cart without a list', on('10:00', 'view_cart'), 0],
    ['not with a view_cart with an empty list', on('10:00', 'view_cart', { items: [] }), 0],
    ['not with remove_from_cart', on('10:00', 'remove_from_cart', { items: [boots] }), 0],
    ['not with add_shipping_info', on('10:00', 'add_shipping_info', { items: [boots] }), 0],
  ])('%s', async (_, touchpoint, count) => {
    await given.touchpoints([touchpoint]);
    expect(await carts()).toHaveLength(count);
  });

  test('its cart_key is the id of its opening touchpoint', async () => {
    const id = '0199b6a0-0000-7000-8000-000000000001';
    await given.touchpoints([{ ...add('10:00', boots), id }]);
    expect(await carts()).toMatchObject([
      { cart_key: id, cart_id: null, state: 'open', furthest_step: 'cart' },
    ]);
  });

  test('anew after purchase', async () => {
    await given.touchpoints([add('10:00', boots), on('10:05', 'purchase'), add('10:06', boots)]);
    expect(await carts()).toMatchObject([{ state: 'purchased' }, { state: 'open' }]);
  });

  test('anew after emptying', async () => {
    await given.touchpoints([
      add('10:00', boots),
      on('10:05', 'remove_from_cart', { items: [boots] }),
      add('10:06', boots),
    ]);
    expect(await carts()).toMatchObject([{ state: 'emptied', item_count: 0, value: 0 }, { state: 'open' }]);
  });

  test('one for each cart id, and one implicit', async () => {
    await given.touchpoints([
      on('10:00', 'add_to_cart', { items: [boots], cart_id: 'c1' }),
      on('10:01', 'add_to_cart', { items: [boots], cart_id: 'c2' }),
      add('10:02', boots),
      on('10:03', 'add_to_cart', { items: [boots], cart_id: 'c1' }),
    ]);
    expect(await carts()).toMatchObject([
      { cart_id: 'c1', item_count: 2 },
      { cart_id: 'c2', item_count: 1 },
      { cart_id: null, item_count: 1 },
    ]);
  });

  test('once for a person on two devices', async () => {
    await given.touchpoints([
      { ...add('10:00', boots), user_id: 'u1' },
      { ...add('10:10', boots), anonymous_id: 'phone', user_id: 'u1' },
    ]);
    expect(await carts()).toMatchObject([{ item_count: 2, value: 241 }]);
  });

  test('when persons merge, their implicit carts become one by replaying both', async () => {
    await given.touchpoints([
      add('10:00', boots),
      { ...add('10:10', item('sock', 2, 5)), anonymous_id: 'phone', user_id: 'u1' },
    ]);
    expect(await carts()).toHaveLength(2);
    await given.touchpoints([on('10:20', '', {}, { type: 'identify', user_id: 'u1' })]);
    expect(await carts()).toMatchObject([
      { item_count: 3, value: 130.5, opened_at: '2026-01-05T10:00:00.000Z' },
    ]);
  });
});

type Lines = { item_count: number; value: number };
const linesOf: [string, Given[], Lines][] = [
  ['add_to_cart adds', [add('10:00', boots), add('10:01', boots)], { item_count: 2, value: 241 }],
  [
    'a missing quantity is 1',
    [add('10:00', item('boots', undefined, 10)), add('10:01', item('boots'))],
    { item_count: 2, value: 20 },
  ],
  [
    'variants are lines of their own',
    [
      on('10:00', 'add_to_cart', { items: [{ ...boots, item_variant: '42' }] }),
      on('10:01', 'add_to_cart', { items: [{ ...boots, item_variant: '43' }] }),
      on('10:02', 'remove_from_cart', { items: [{ item_id: 'boots', item_variant: '43', quantity: 5 }] }),
    ],
    { item_count: 1, value: 120.5 },
  ],
  [
    'remove_from_cart takes away, never below 0',
    [add('10:00', boots, item('sock', 2, 5)), on('10:01', 'remove_from_cart', { items: [item('sock', 9)] })],
    { item_count: 1, value: 120.5 },
  ],
  [
    'remove_from_cart of what is not in it changes nothing',
    [add('10:00', boots), on('10:01', 'remove_from_cart', { items: [item('hat', 1)] })],
    { item_count: 1, value: 120.5 },
  ],
  [
    'view_cart replaces the lines',
    [add('10:00', boots), on('10:01', 'view_cart', { items: [item('sock', 3, 5)] })],
    { item_count: 3, value: 15 },
  ],
  [
    'begin_checkout replaces the lines',
    [add('10:00', boots), on('10:01', 'begin_checkout', { items: [item('sock', 1, 5)] })],
    { item_count: 1, value: 5 },
  ],
  [
    'cart_updated replaces the lines',
    [add('10:00', boots), on('10:01', 'cart_updated', { items: [item('sock', 1, 5)] })],
    { item_count: 1, value: 5 },
  ],
  [
    'a missing list changes nothing',
    [add('10:00', boots), on('10:01', 'view_cart'), on('10:02', 'begin_checkout')],
    { item_count: 1, value: 120.5 },
  ],
  [
    'add_payment_info does not replace them',
    [add('10:00', boots), on('10:01', 'add_payment_info', { items: [item('sock', 1, 5)] })],
    { item_count: 1, value: 120.5 },
  ],
  [
    'numbers given as strings are read',
    [on('10:00', 'add_to_cart', { items: [{ item_id: 'boots', quantity: '2', price: '9.99' }] })],
    { item_count: 2, value: 19.98 },
  ],
  [
    'a negative or unreadable quantity or price counts as missing',
    [on('10:00', 'add_to_cart', { items: [{ item_id: 'boots', quantity: -3, price: 'ten' }] })],
    { item_count: 1, value: 0 },
  ],
  [
    'Segment’s Product Added is read',
    [on('10:00', 'Product Added', { product_id: 'boots', variant: '42', quantity: 2, price: 10 })],
    { item_count: 2, value: 20 },
  ],
  [
    'a later price counts',
    [add('10:00', item('boots', 1, 10)), add('10:01', item('boots', 1, 8))],
    { item_count: 2, value: 16 },
  ],
];

describe('lines of a cart', () => {
  const { rowsOf: rowsOfCase } = useCases(
    linesOf.map(([who, touchpoints]) => ({
      who,
      touchpoints: touchpoints.map((touchpoint) => ({ ...touchpoint, anonymous_id: who })),
    })),
  );
  test.each(linesOf)('%s', (who, _, expected) => {
    expect(rowsOfCase('carts', who)).toMatchObject([expected]);
  });
});

describe('lines', () => {
  test('an empty list empties the cart', async () => {
    await given.touchpoints([add('10:00', boots), on('10:01', 'cart_updated', { items: [] })], {
      asOf: '2026-02-05T10:00Z',
    });
    expect(await carts()).toMatchObject([{ state: 'emptied', item_count: 0, abandoned_at: null }]);
  });

  test('a cart’s currency is that of its latest touchpoint with one; a line in another has no value', async () => {
    const inCurrency = (time: string, currency: string, id: string) =>
      on(time, 'add_to_cart', { currency, items: [item(id, 1, 10)] });
    await given.touchpoints([
      inCurrency('10:00', 'CHF', 'a'),
      inCurrency('10:01', 'CHF', 'b'),
      on('10:02', 'view_cart'),
    ]);
    expect(await carts()).toMatchObject([{ currency: 'CHF', value: 20 }]);
    await given.touchpoints([inCurrency('10:03', 'EUR', 'c')]);
    expect(await carts()).toMatchObject([{ currency: 'EUR', value: null }]);
  });
});

describe('a cart is abandoned', () => {
  test('60 min after its last activity, that instant included', async () => {
    await given.touchpoints([add('10:00', boots), add('10:10', boots)], { asOf: '2026-01-05T11:09:59.999Z' });
    expect(await carts()).toMatchObject([{ state: 'open', abandoned_at: null, abandonment_count: 0 }]);
    await given.asOf('2026-01-05T11:10Z');
    expect(await carts()).toMatchObject([
      {
        state: 'abandoned',
        last_activity_at: '2026-01-05T10:10:00.000Z',
        abandoned_at: '2026-01-05T11:10:00.000Z',
        first_abandoned_at: '2026-01-05T11:10:00.000Z',
        abandonment_count: 1,
      },
    ]);
    expect(await rowsOf('abandoned_carts')).toMatchObject([
      { tier: 'cart', value: 241, furthest_step: 'cart' },
    ]);
  });

  test.each([
    ['begin_checkout', 'checkout'],
    ['add_shipping_info', 'shipping'],
    ['add_payment_info', 'payment'],
  ])('30 min after its last activity from the first %s on', async (name, furthest_step) => {
    await given.touchpoints([add('10:00', boots), on('10:10', name)], { asOf: '2026-01-05T10:40Z' });
    expect(await carts()).toMatchObject([
      { state: 'abandoned', furthest_step, abandoned_at: '2026-01-05T10:40:00.000Z' },
    ]);
    expect(await rowsOf('abandoned_carts')).toMatchObject([{ tier: 'checkout' }]);
  });

  test('30 min after it in later episodes too', async () => {
    await given.touchpoints([add('10:00', boots), on('10:10', 'begin_checkout'), add('12:00', boots)], {
      asOf: '2026-01-05T12:30Z',
    });
    expect(await carts()).toMatchObject([
      { state: 'abandoned', abandonment_count: 2, abandoned_at: '2026-01-05T12:30:00.000Z' },
    ]);
  });

  test('only if it has lines', async () => {
    await given.touchpoints([on('10:00', 'begin_checkout')], { asOf: '2026-03-05T10:00Z' });
    expect(await carts()).toMatchObject([{ state: 'open', abandonment_count: 0 }]);
  });

  test('and activity at exactly that instant comes after it', async () => {
    await given.touchpoints([add('10:00', boots), add('11:00', boots)]);
    expect(await carts()).toMatchObject([
      { state: 'open', abandonment_count: 1, abandoned_at: '2026-01-05T11:00:00.000Z', item_count: 2 },
    ]);
  });

  test('and coming back does not undo it: count and first_abandoned_at stay', async () => {
    await given.touchpoints([add('10:00', boots), on('12:00', 'view_cart'), add('15:00', boots)]);
    expect(await carts()).toMatchObject([
      {
        state: 'open',
        abandonment_count: 2,
        first_abandoned_at: '2026-01-05T11:00:00.000Z',
        abandoned_at: '2026-01-05T13:00:00.000Z',
      },
    ]);
    expect(await rowsOf('abandoned_carts')).toEqual([]);
  });

  test('and a late touchpoint re-dates it', async () => {
    await given.touchpoints([add('10:00', boots)], { asOf: '2026-01-05T11:00Z' });
    await given.touchpoints([on('10:30', 'view_cart')], { asOf: '2026-01-05T11:15Z' });
    expect(await carts()).toMatchObject([{ state: 'open', abandonment_count: 0, abandoned_at: null }]);
  });
});

describe('a cart expires', () => {
  test('30 d after abandonment, and the next touchpoint opens a new round', async () => {
    await given.touchpoints([add('10:00', boots)], { asOf: '2026-02-04T10:59:59.999Z' });
    expect(await carts()).toMatchObject([{ state: 'abandoned' }]);
    await given.asOf('2026-02-04T11:00Z');
    expect(await carts()).toMatchObject([{ state: 'expired', abandoned_at: '2026-01-05T11:00:00.000Z' }]);
    await given.touchpoints([{ ...add('10:00', boots), at: '2026-02-05T10:00Z' }]);
    expect(await carts()).toMatchObject([{ state: 'expired' }, { state: 'open', item_count: 1 }]);
  });

  test('before the touchpoints of that very instant', async () => {
    await given.touchpoints([add('10:00', boots), { ...add('10:00', boots), at: '2026-02-04T11:00Z' }]);
    expect(await carts()).toMatchObject([{ state: 'expired' }, { state: 'open' }]);
  });

  test('not while somebody comes back to it', async () => {
    await given.touchpoints(
      [add('10:00', boots), { ...add('10:00', boots), at: '2026-02-04T10:59:59.999Z' }],
      {
        asOf: '2026-02-04T11:30Z',
      },
    );
    expect(await carts()).toMatchObject([{ state: 'open', abandonment_count: 1, item_count: 2 }]);
  });
});

describe('a purchase', () => {
  test('closes the round of its cart id for whoever holds it', async () => {
    await given.touchpoints([
      on('10:00', 'add_to_cart', { items: [boots], cart_id: 'c1' }),
      { ...on('10:01', 'add_to_cart', { items: [boots], cart_id: 'c1' }), anonymous_id: 'bob' },
      {
        at: '2026-01-05T10:05Z',
        user_id: 'u1',
        name: 'purchase',
        properties: { cart_id: 'c1', transaction_id: 'o1' },
      },
    ]);
    expect(await carts()).toMatchObject([
      { state: 'purchased', order_id: 'o1' },
      { state: 'purchased', order_id: 'o1' },
    ]);
  });

  test('without a known cart id closes the person’s most recently active open or abandoned cart', async () => {
    await given.touchpoints([
      on('10:00', 'add_to_cart', { items: [boots], cart_id: 'c1' }),
      on('10:01', 'add_to_cart', { items: [boots], cart_id: 'c2' }),
      on('10:02', 'view_cart', { cart_id: 'c1' }),
      { ...add('10:03', boots), anonymous_id: 'bob' },
      on('10:05', 'purchase', { cart_id: 'never seen', transaction_id: 'o1' }),
    ]);
    expect(await carts()).toMatchObject([
      { cart_id: 'c1', state: 'purchased', order_id: 'o1' },
      { cart_id: 'c2', state: 'open', order_id: null },
      { state: 'open' },
    ]);
  });

  test('in a store closes it too', async () => {
    await given.touchpoints([
      { ...add('10:00', boots), user_id: 'u1' },
      { at: '2026-01-05T18:00Z', user_id: 'u1', source: 'store', name: 'purchase', is_trusted: true },
    ]);
    expect(await carts()).toMatchObject([{ state: 'self_recovered', abandonment_count: 1 }]);
  });

  test('by browser and server closes one cart, not two', async () => {
    const order = { transaction_id: 'o1' };
    await given.touchpoints([
      on('10:00', 'add_to_cart', { items: [boots], cart_id: 'c1' }),
      add('10:01', boots),
      on('10:05', 'purchase', { ...order, cart_id: 'c1' }),
      on('10:06', 'purchase', order, { source: 'server', is_trusted: true }),
    ]);
    expect(await carts()).toMatchObject([{ state: 'purchased' }, { state: 'open' }]);
  });

  test('of a cart that was not abandoned: purchased', async () => {
    await given.touchpoints([add('10:00', boots), on('10:59:59.999', 'purchase', { transaction_id: 'o1' })]);
    expect(await carts()).toMatchObject([
      { state: 'purchased', abandoned_at: null, item_count: 1, value: 120.5, order_id: 'o1' },
    ]);
  });

  test('at exactly the due instant comes after the abandonment: self_recovered', async () => {
    await given.touchpoints([add('10:00', boots), on('11:00', 'purchase')]);
    expect(await carts()).toMatchObject([{ state: 'self_recovered', abandonment_count: 1 }]);
  });

  test('of a cart abandoned within 30 d before: self_recovered, also after coming back', async () => {
    await given.touchpoints([add('10:00', boots), on('12:00', 'view_cart'), on('12:05', 'purchase')]);
    expect(await carts()).toMatchObject([
      { state: 'self_recovered', abandoned_at: '2026-01-05T11:00:00.000Z' },
    ]);
  });

  test('longer than that after the abandonment, of a cart that came back: purchased', async () => {
    await given.settings({ self_recovery_window: '1 hour' });
    await given.touchpoints([add('10:00', boots), on('11:30', 'view_cart'), on('12:00', 'purchase')]);
    expect(await carts()).toMatchObject([{ state: 'purchased', abandonment_count: 1 }]);
  });

  test('leaves an emptied cart as it is', async () => {
    await given.touchpoints([
      add('10:00', boots),
      on('10:01', 'remove_from_cart', { items: [boots] }),
      on('10:02', 'purchase'),
    ]);
    expect(await carts()).toMatchObject([{ state: 'emptied', order_id: null }]);
  });

  test('that comes late un-abandons what it closed before', async () => {
    await given.touchpoints([add('10:00', boots)], { asOf: '2026-01-05T12:00Z' });
    expect(await rowsOf('abandoned_carts')).toHaveLength(1);
    await given.touchpoints([on('10:10', 'purchase')], { asOf: '2026-01-05T12:01Z' });
    expect(await rowsOf('abandoned_carts')).toEqual([]);
    expect(await carts()).toMatchObject([{ state: 'purchased', abandonment_count: 0 }]);
  });
});

test('a cart that an order’s late cart id replays is still closed by whoever buys it', async () => {
  const [o3, o4] = [{ transaction_id: 'o3' }, { transaction_id: 'o4', cart_id: 'c1' }];
  await given.touchpoints([on('10:00', 'purchase', o3)]);
  await given.touchpoints([on('10:01', 'add_to_cart', { cart_id: 'c1', items: [boots] }, { user_id: 'u1' })]);
  await given.touchpoints([on('10:02', 'purchase', { ...o3, cart_id: 'c1' }, { user_id: 'u1' })]);
  expect(await carts()).toMatchObject([{ state: 'open' }]);
  await given.touchpoints([{ at: '2026-01-05T10:03Z', user_id: 'u2', name: 'purchase', properties: o4 }]);
  expect(await carts()).toMatchObject([{ state: 'purchased', order_id: 'o4' }]);
});

test('an emptied cart is never abandoned while empty', async () => {
  await given.touchpoints([add('10:00', boots), on('10:30', 'remove_from_cart', { items: [boots] })], {
    asOf: '2026-03-05T10:00Z',
  });
  expect(await carts()).toMatchObject([{ state: 'emptied', abandonment_count: 0 }]);
});

test('it outlives sessions and devices', async () => {
  await given.touchpoints([
    { ...add('10:00', boots), user_id: 'u1' },
    { ...add('10:00', boots), at: '2026-01-20T10:00Z', anonymous_id: 'phone', user_id: 'u1' },
  ]);
  expect(await carts()).toMatchObject([{ state: 'open', item_count: 2, abandonment_count: 1 }]);
});

test('abandoned_carts names the user and the channel of its opening', async () => {
  await given.touchpoints(
    [
      { ...add('10:00', boots), context: { campaign: { source: 'n', medium: 'email' } } },
      on('10:01', '', {}, { type: 'identify', user_id: 'u1' }),
    ],
    { asOf: '2026-01-05T12:00Z' },
  );
  expect(await rowsOf('abandoned_carts')).toMatchObject([{ user_id: 'u1', channel: 'Email' }]);
});
