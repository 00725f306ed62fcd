import { describe, expect, test } from 'vitest';
import { useCases, useSite } from './fixture.ts';
import type { Given } from './given.ts';

const { given, rowsOf } = useSite();

/** A touchpoint of Ada's at a time of day on 5 January. */
function on(
  time: string,
  name: string,
  properties: Given['properties'] = {},
  more: Partial<Given> = {},
): Given {
  return { anonymous_id: 'ada', at: `2026-01-05T${time}Z`, name, properties, ...more };
}

const o1 = { transaction_id: 'o1' };
const server: Partial<Given> = { source: 'server', is_trusted: true };

async function orders() {
  const rows = await rowsOf('orders');
  return rows.sort((a, b) => (String(a['occurred_at']) < String(b['occurred_at']) ? -1 : 1));
}

describe('orders', () => {
  test('are unique by order_id: the same by browser, server and import counts once', async () => {
    await given.touchpoints([
      on('10:05', 'purchase', { ...o1, value: 50 }),
      on('10:00', 'purchase', { ...o1, value: 50 }, server),
      on('10:10', 'Order Completed', { order_id: 'o1', revenue: 50 }, server),
    ]);
    expect(await orders()).toMatchObject([
      {
        order_id: 'o1',
        gross: 50,
        refunded: 0,
        net: 50,
        occurred_at: '2026-01-05T10:00:00.000Z',
        currency: 'EUR',
      },
    ]);
    expect(await rowsOf('conversions')).toHaveLength(1);
  });

  test('a purchase without an order id is its own order', async () => {
    const id = '0199b6a0-0000-7000-8000-000000000001';
    await given.touchpoints([
      on('10:00', 'purchase', {}, { id }),
      on('10:01', 'purchase', { transaction_id: ' ' }),
    ]);
    expect(await orders()).toHaveLength(2);
    expect((await orders())[0]).toMatchObject({ order_id: id });
  });

  test('an order id given as a number is its text', async () => {
    await given.touchpoints([
      on('10:00', 'purchase', { transaction_id: 7 }),
      on('10:01', 'purchase', { transaction_id: '7' }),
    ]);
    expect(await orders()).toMatchObject([{ order_id: '7' }]);
  });

  test('fields come by trust, then by order, blanks filled from the next', async () => {
    await given.touchpoints([
      on('10:00', 'purchase', { ...o1, value: 999, currency: 'USD' }),
      on('10:01', 'purchase', { ...o1, value: 60, currency: 'CHF' }),
      on('10:02', 'purchase', { ...o1, value: 50 }, server),
    ]);
    expect(await orders()).toMatchObject([
      { gross: 50, currency: 'USD', gross_site: null, refunded_site: null, net_site: null },
    ]);
  });

  test('where a secret-key touchpoint exists, differing write-key values are kept as disputed', async () => {
    await given.touchpoints([
      on('10:00', 'purchase', { ...o1, value: 999, tax: 8, currency: 'USD', cart_id: 'c1' }),
      on('10:01', 'purchase', { ...o1, value: 60, tax: 8, discount: 2 }),
      on('10:02', 'purchase', { ...o1, value: 999 }),
      on('10:03', 'purchase', { ...o1, value: 50, tax: 7, currency: 'EUR' }, server),
    ]);
    expect(await orders()).toMatchObject([
      {
        gross: 50,
        tax: 7,
        discount: 2,
        currency: 'EUR',
        cart_id: 'c1',
        disputed: { gross: [999, 60], tax: [8], currency: ['USD'] },
      },
    ]);
  });

  test.each([
    ['all agree', [{ value: 50 }, { value: '50.00' }], [true, false]],
    ['nobody spoke with a secret key', [{ value: 50 }, { value: 60 }], [false, false]],
    ['only secret keys spoke', [{ value: 50 }, { value: 60 }], [true, true]],
  ] as const)('nothing is disputed where %s', async (_, sayings, trust) => {
    await given.touchpoints(
      sayings.map((said, index) =>
        on(`10:0${index}`, 'purchase', { ...o1, ...said }, { is_trusted: trust[index]! }),
      ),
    );
    expect(await orders()).toMatchObject([{ gross: 50, disputed: null }]);
  });

  test('a dispute that comes later shows', async () => {
    await given.touchpoints([on('10:00', 'purchase', { ...o1, value: 50 }, server)]);
    expect(await orders()).toMatchObject([{ disputed: null }]);
    await given.touchpoints([on('10:01', 'purchase', { ...o1, value: 1 })]);
    expect(await orders()).toMatchObject([{ gross: 50, disputed: { gross: [1] } }]);
  });

  test('the person is that of the most trusted touchpoint with a user_id', async () => {
    await given.touchpoints([
      on('10:00', 'purchase', o1),
      on('10:01', 'purchase', o1, { anonymous_id: 'x', user_id: 'u1' }),
      { at: '2026-01-05T10:02Z', user_id: 'u2', name: 'purchase', properties: o1, ...server },
    ]);
    const [u2] = (await rowsOf('persons')).filter((person) => person['user_id'] === 'u2');
    expect(await orders()).toMatchObject([{ person_id: u2!['person_id'] }]);
    expect(u2).toMatchObject({ is_customer: true, order_count: 1 });
  });

  test('else of the earliest', async () => {
    await given.touchpoints([
      on('10:00', 'purchase', o1),
      on('10:01', 'purchase', o1, { anonymous_id: 'x', is_trusted: true }),
    ]);
    const [ada] = (await rowsOf('identities')).filter(({ value }) => value === 'ada');
    expect(await orders()).toMatchObject([{ person_id: ada!['person_id'] }]);
  });

  test('an order id never merges persons', async () => {
    await given.touchpoints([
      on('10:00', 'purchase', o1),
      { at: '2026-01-05T10:02Z', user_id: 'u2', name: 'purchase', properties: o1, ...server },
    ]);
    expect(await rowsOf('persons')).toHaveLength(2);
  });

  test('session and channel are those of its earliest web touchpoint', async () => {
    await given.touchpoints([
      on('09:00', 'page_view', {}, { context: { campaign: { source: 'n', medium: 'email' } } }),
      { at: '2026-01-05T08:00Z', user_id: 'u2', name: 'purchase', properties: o1, ...server },
      on('09:05', 'purchase', o1),
    ]);
    const [session] = await rowsOf('sessions');
    expect(await orders()).toMatchObject([
      { session_id: session!['session_id'], channel: 'Email', occurred_at: '2026-01-05T08:00:00.000Z' },
    ]);
  });

  test('without one the person’s last session begun within 24 h before', async () => {
    await given.touchpoints([
      { at: '2026-01-04T09:00Z', anonymous_id: 'ada', user_id: 'u1' },
      { at: '2026-01-04T20:00Z', anonymous_id: 'ada', id: '0199b6a0-0000-7000-8000-000000000001' },
      { at: '2026-01-05T10:00Z', user_id: 'u1', name: 'purchase', ...server },
      { at: '2026-01-05T11:00Z', anonymous_id: 'ada' },
    ]);
    expect(await orders()).toMatchObject([
      { session_id: '0199b6a0-0000-7000-8000-000000000001', channel: 'Direct' },
    ]);
  });

  test.each([
    ['store', 'In Store'],
    ['phone', 'Phone'],
    ['support', 'Support'],
    ['event', 'Event'],
    ['server', 'Unassigned'],
  ] as const)('without a session an order from %s stands under %s', async (source, channel) => {
    await given.touchpoints([
      { at: '2026-01-05T10:00Z', anonymous_id: 'ada', user_id: 'u1' },
      { at: '2026-01-06T10:00Z', user_id: 'u1', name: 'purchase', source, is_trusted: true },
    ]);
    expect(await orders()).toMatchObject([{ session_id: null, channel }]);
  });
});

const items = [{ item_id: 'a', price: 10.25, quantity: 2 }, { item_id: 'b', price: 5 }, { item_id: 'c' }];
const grossOf: [string, Given['properties'], number][] = [
  ['is GA4’s value', { value: 50, revenue: 40, total: 60, items }, 50],
  ['else Segment’s revenue', { revenue: 40, total: 60, items }, 40],
  ['else total − tax − shipping', { total: 60, tax: 9.5, shipping: '4.5', items }, 46],
  ['else Σ price × quantity', { items }, 25.5],
  ['else nothing', {}, 0],
  ['a number given as a string is read', { value: '49.90' }, 49.9],
  ['an unreadable value counts as missing', { value: 'a lot', total: 30 }, 30],
  ['a negative value counts as missing', { value: -5, total: 30 }, 30],
];

describe('gross', () => {
  const { rowsOf: rowsOfCase } = useCases(
    grossOf.map(([who, properties]) => ({
      who,
      touchpoints: [on('10:00', 'purchase', { ...properties, transaction_id: who }, { anonymous_id: who })],
    })),
  );
  test.each(grossOf)('%s', (who, _, gross) => {
    expect(rowsOfCase('orders', who)).toMatchObject([{ gross, gross_site: gross }]);
  });
});

const bought = on('10:00', 'purchase', {
  ...o1,
  value: 100,
  items: [
    { item_id: 'a', price: 30, quantity: 2 },
    { item_id: 'b', price: 40 },
  ],
});
const refund = (time: string, properties: Given['properties'] = {}) =>
  on(time, 'refund', { ...o1, ...properties }, server);
const refundsOf: [string, Given[], number][] = [
  ['is whole: what remains', [refund('11:00')], 100],
  ['by amount', [refund('11:00', { value: 12.5 })], 12.5],
  ['by lines', [refund('11:00', { items: [{ item_id: 'a', price: 30, quantity: 1 }] })], 30],
  ['by lines at the order’s price', [refund('11:00', { items: [{ item_id: 'a' }, { item_id: 'b' }] })], 70],
  ['whole after one by amount', [refund('11:00', { value: 30 }), refund('12:00')], 100],
  ['never beyond gross', [refund('11:00', { value: 70 }), refund('12:00', { value: 70 })], 100],
  [
    'is unique by refund_id',
    [refund('11:00', { refund_id: 'r', value: 20 }), refund('12:00', { refund_id: 'r', value: 20 })],
    20,
  ],
  ['else by touchpoint id', [refund('11:00', { value: 20 }), refund('12:00', { value: 20 })], 40],
  [
    'a cancellation is a refund of the rest',
    [refund('11:00', { value: 20 }), on('12:00', 'order_cancelled', o1, server)],
    100,
  ],
  ['Segment’s Order Cancelled too', [on('12:00', 'Order Cancelled', { order_id: 'o1' }, server)], 100],
  ['by write key is not accepted', [on('11:00', 'refund', { ...o1, value: 20 })], 0],
  [
    'of another order changes nothing',
    [on('11:00', 'refund', { transaction_id: 'o2', value: 20 }, server)],
    0,
  ],
  ['that precedes its order counts', [refund('09:00', { value: 20 })], 20],
];

describe('a refund', () => {
  const ofCase =
    (who: string) =>
    (touchpoint: Given): Given => {
      const { transaction_id, order_id, ...properties } = touchpoint.properties!;
      const id = transaction_id ?? order_id;
      return {
        ...touchpoint,
        anonymous_id: who,
        properties: { ...properties, transaction_id: `${id as string} of ${who}` },
      };
    };
  const { rowsOf: rowsOfCase } = useCases(
    refundsOf.map(([who, refunds]) => ({ who, touchpoints: [bought, ...refunds].map(ofCase(who)) })),
  );
  test.each(refundsOf)('%s', (who, _, refunded) => {
    const net = 100 - refunded;
    expect(rowsOfCase('orders', who)).toMatchObject([{ gross: 100, refunded, net, net_site: net }]);
  });
});

describe('a refund', () => {
  test('that comes before its order is known waits for it', async () => {
    await given.touchpoints([refund('11:00', { value: 20 })]);
    expect(await orders()).toEqual([]);
    await given.touchpoints([bought]);
    expect(await orders()).toMatchObject([{ refunded: 20 }]);
  });

  test('that precedes its order is listed while it waits', async () => {
    await given.touchpoints([
      refund('11:00', { value: 20, refund_id: 'r1' }),
      refund('11:01', { value: 21, refund_id: 'r1' }),
      on('12:00', 'order_cancelled', o1, server),
      on('12:01', 'refund', { ...o1, value: 5 }),
    ]);
    const waiting = await rowsOf('waiting_refunds');
    expect(waiting.sort((a, b) => String(b['kind']).localeCompare(String(a['kind'])))).toMatchObject([
      { order_id: 'o1', refund_id: 'r1', kind: 'refund', amount: 20 },
      { order_id: 'o1', kind: 'cancellation', amount: null },
    ]);
    await given.touchpoints([bought]);
    expect(await rowsOf('waiting_refunds')).toEqual([]);
    expect(await orders()).toMatchObject([{ refunded: 100, net: 0 }]);
  });

  test('counts on its own day', async () => {
    await given.touchpoints([bought, { ...refund('11:00', { value: 20 }), at: '2026-01-09T11:00Z' }]);
    const metrics = await rowsOf('conversion_metrics');
    expect(metrics.map(({ day, refunded }) => [day, refunded])).toEqual([
      ['2026-01-05', 0],
      ['2026-01-09', 20],
    ]);
  });

  test('by write key is accepted where the site says so', async () => {
    await given.settings({ is_refund_by_write_key_accepted: true });
    await given.touchpoints([bought, on('11:00', 'refund', { ...o1, value: 20 })]);
    expect(await orders()).toMatchObject([{ refunded: 20 }]);
  });

  test('makes nobody less of a customer', async () => {
    await given.touchpoints([bought, refund('11:00')]);
    expect(await rowsOf('persons')).toMatchObject([{ is_customer: true, order_count: 1, net_revenue: 0 }]);
  });
});

test('persons.net_revenue leaves out what has no rate', async () => {
  await given.touchpoints([
    on('10:00', 'purchase', { value: 10 }),
    on('10:01', 'purchase', { value: 10, currency: 'USD' }),
  ]);
  expect(await rowsOf('persons')).toMatchObject([{ order_count: 2, net_revenue: 10, currency: 'EUR' }]);
});

test('a conversion is each order, at its earliest touchpoint', async () => {
  const id = '0199b6a0-0000-7000-8000-000000000001';
  await given.touchpoints([
    on('10:00', 'purchase', { ...o1, value: 10 }, { id }),
    on('10:01', 'purchase', { ...o1, value: 12, currency: 'EUR' }, server),
  ]);
  expect(await rowsOf('conversions')).toMatchObject([
    { goal: 'purchase', order_id: 'o1', touchpoint_id: id, value: 12, currency: 'EUR' },
  ]);
});

test('a bot buys nothing', async () => {
  const context = { userAgent: 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' };
  await given.touchpoints([on('10:00', 'purchase', o1, { context }), on('10:01', 'page_view')]);
  expect(await orders()).toEqual([]);
});
