import { describe, expect, test } from 'vitest';
import { useSite } from './fixture.ts';
import type { Given } from './given.ts';

const { given, rowsOf } = useSite();
const ada = { anonymous_id: 'ada' };

async function transitions() {
  const rows = await rowsOf('stage_transitions');
  return rows.sort((a, b) => {
    const [one, other] = [String(a['occurred_at']), String(b['occurred_at'])];
    return one < other ? -1 : one > other ? 1 : a['cause'] === 'timer' ? -1 : 1;
  });
}

async function path(): Promise<string> {
  return (await transitions()).map(({ to_stage }) => to_stage).join(' ');
}

async function current() {
  return (await rowsOf('current_stages'))[0];
}

/** Touchpoints of one person, a minute apart, so that none is a return. */
function minutes(...touchpoints: (string | Partial<Given>)[]): Given[] {
  const start = Date.parse('2026-01-05T10:00Z');
  return touchpoints.map((touchpoint, index) => ({
    ...ada,
    at: start + index * 60_000,
    ...(typeof touchpoint === 'string' ? { name: touchpoint } : touchpoint),
  }));
}

test('a person without any signal has no row', async () => {
  await given.touchpoints(minutes('email_sent', { type: 'identify', user_id: 'u1' }));
  expect(await rowsOf('current_stages')).toEqual([]);
  expect(await rowsOf('persons')).toHaveLength(1);
});

describe('transitions', () => {
  test('every transition says direction, skipped stages and seconds in the stage it leaves', async () => {
    await given.touchpoints(minutes('page_view', 'purchase', 'purchase', 'share', 'add_to_cart'));
    expect(await transitions()).toMatchObject([
      { to_stage: 'awareness', skipped_stages: [] },
      {
        to_stage: 'purchase',
        direction: 'forward',
        skipped_stages: ['consideration', 'decision'],
        seconds_in_from_stage: 60,
      },
      { to_stage: 'purchase', direction: 'same', skipped_stages: [], seconds_in_from_stage: 60 },
      { to_stage: 'advocacy', direction: 'forward', skipped_stages: ['retention'] },
      { to_stage: 'decision', direction: 'backward', skipped_stages: [] },
    ]);
  });

  test('the stage may go back, the furthest stage does not', async () => {
    await given.touchpoints(minutes('purchase', 'share', 'add_to_cart'));
    expect(await current()).toMatchObject({
      stage: 'decision',
      furthest_stage: 'advocacy',
      journey_number: 2,
    });
  });
});

describe('a return', () => {
  const purchase = { ...ada, at: '2026-01-05T10:00Z', name: 'purchase' };

  test('is a touch exactly 30 min after the person’s previous signal', async () => {
    await given.touchpoints([purchase, { ...ada, at: '2026-01-05T10:30:00Z' }]);
    expect(await transitions()).toMatchObject([{}, { to_stage: 'retention', signal: 'return' }]);
  });

  test('is no touch a millisecond earlier', async () => {
    await given.touchpoints([purchase, { ...ada, at: '2026-01-05T10:29:59.999Z' }]);
    expect(await path()).toBe('purchase');
  });

  test('is a consider as well, on whatever device', async () => {
    await given.touchpoints([
      { ...purchase, user_id: 'u1' },
      { anonymous_id: 'phone', user_id: 'u1', at: '2026-01-05T11:00Z', name: 'view_item' },
    ]);
    expect(await path()).toBe('purchase retention');
  });

  test('counts from a previous signal of any kind, also one that moved nothing', async () => {
    await given.touchpoints([
      purchase,
      { ...ada, at: '2026-01-05T10:20Z' },
      { ...ada, at: '2026-01-05T10:40Z', name: 'view_item' },
    ]);
    expect(await path()).toBe('purchase');
  });

  test('does not count from what gives no signal', async () => {
    await given.touchpoints([
      purchase,
      { ...ada, at: '2026-01-05T10:20Z', name: 'user_engagement' },
      { ...ada, at: '2026-01-05T10:40Z', name: 'view_item' },
    ]);
    expect(await path()).toBe('purchase retention');
  });

  test('in awareness is as the consider that it is', async () => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z' },
      { ...ada, at: '2026-01-06T10:00Z' },
      { ...ada, at: '2026-01-07T10:00Z', name: 'view_item' },
    ]);
    expect(await path()).toBe('awareness consideration');
  });

  test('stays in consideration, decision, retention and advocacy', async () => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z', name: 'view_item' },
      { ...ada, at: '2026-01-05T11:00Z' },
      { ...ada, at: '2026-01-05T12:00Z', name: 'add_to_cart' },
      { ...ada, at: '2026-01-05T13:00Z' },
      { ...ada, at: '2026-01-05T13:01Z', name: 'purchase' },
      { ...ada, at: '2026-01-05T13:02Z', name: 'login' },
      { ...ada, at: '2026-01-05T14:02Z' },
      { ...ada, at: '2026-01-05T14:03Z', name: 'share' },
      { ...ada, at: '2026-01-05T15:03Z' },
    ]);
    expect(await path()).toBe('consideration decision purchase retention advocacy');
  });
});

describe('a decision cools', () => {
  const decide = { ...ada, at: '2026-01-05T10:00Z', name: 'add_to_cart' };
  const due = '2026-02-04T10:00:00.000Z';

  test('30 d after the last signal, to consideration, at the instant it falls due', async () => {
    await given.touchpoints([decide], { asOf: due });
    expect(await transitions()).toMatchObject([
      {},
      {
        from_stage: 'decision',
        to_stage: 'consideration',
        occurred_at: due,
        cause: 'timer',
        touchpoint_id: null,
        signal: null,
        direction: 'backward',
        seconds_in_from_stage: 30 * 86_400,
      },
    ]);
    expect(await current()).toMatchObject({
      stage: 'consideration',
      furthest_stage: 'decision',
      since: due,
      last_signal_at: '2026-01-05T10:00:00.000Z',
    });
  });

  test('not a millisecond before', async () => {
    await given.touchpoints([decide], { asOf: '2026-02-04T09:59:59.999Z' });
    expect(await path()).toBe('decision');
  });

  test('counting from any signal, also one that moved nothing', async () => {
    await given.touchpoints([decide, { ...ada, at: '2026-01-20T10:00Z' }], { asOf: due });
    expect(await path()).toBe('decision');
    await given.asOf('2026-02-19T10:00Z');
    expect(await path()).toBe('decision consideration');
  });

  test('to retention, where the person bought before; the next ★ adds another journey', async () => {
    const purchase = { ...ada, at: '2026-01-01T10:00Z', name: 'purchase' };
    await given.touchpoints([purchase, decide, { ...decide, at: '2026-02-05T10:00Z' }]);
    expect(await transitions()).toMatchObject([
      { to_stage: 'purchase', journey_number: 1 },
      { to_stage: 'decision', journey_number: 2 },
      { to_stage: 'retention', journey_number: 2, cause: 'timer' },
      { to_stage: 'decision', journey_number: 3 },
    ]);
  });

  test('at exactly the due instant the timer comes first', async () => {
    await given.touchpoints([decide, { ...ada, at: due, name: 'begin_checkout' }]);
    expect(await transitions()).toMatchObject([
      { to_stage: 'decision' },
      { to_stage: 'consideration', occurred_at: due, cause: 'timer' },
      { to_stage: 'decision', occurred_at: due, cause: 'touchpoint', seconds_in_from_stage: 0 },
    ]);
  });

  test('30 d = 720 h, also through DST', async () => {
    await given.settings({ time_zone: 'Europe/Berlin' });
    await given.touchpoints([{ ...decide, at: '2026-03-10T10:00Z' }], { asOf: '2026-04-09T10:00Z' });
    expect(await transitions()).toMatchObject([{}, { occurred_at: '2026-04-09T10:00:00.000Z' }]);
  });

  test('not at all when a late touchpoint shows that the person was there', async () => {
    await given.touchpoints([decide], { asOf: '2026-03-01T00:00Z' });
    await given.touchpoints([{ ...ada, at: '2026-02-01T10:00Z' }], { asOf: '2026-03-02T00:00Z' });
    expect(await path()).toBe('decision');
  });
});

describe('customers', () => {
  const purchase = { ...ada, at: '2026-01-05T10:00Z', name: 'purchase' };

  test('lead, customer, repeat_customer by their orders', async () => {
    await given.touchpoints([{ ...ada, at: '2026-01-04T10:00Z' }]);
    expect(await current()).toMatchObject({ is_customer: false, customer_status: 'lead', orders: 0 });
    await given.touchpoints([purchase]);
    expect(await current()).toMatchObject({ is_customer: true, customer_status: 'customer', orders: 1 });
    await given.touchpoints([{ ...purchase, at: '2026-01-06T10:00Z' }]);
    expect(await current()).toMatchObject({ customer_status: 'repeat_customer', orders: 2 });
  });

  test('are fully refunded when every order was refunded whole, and stay customers', async () => {
    const order = (id: string, at: string) => ({
      ...purchase,
      at,
      properties: { transaction_id: id, value: 20 },
    });
    const refund = (id: string, at: string, value: number) => ({
      ...order(id, at),
      name: 'refund',
      is_trusted: true,
      properties: { transaction_id: id, value },
    });
    await given.touchpoints([order('o1', '2026-01-05T10:00Z'), refund('o1', '2026-01-06T10:00Z', 19)]);
    expect(await current()).toMatchObject({ is_customer: true, orders: 1, is_fully_refunded: false });
    await given.touchpoints([refund('o1', '2026-01-06T11:00Z', 1)]);
    expect(await current()).toMatchObject({ is_customer: true, orders: 1, is_fully_refunded: true });
    await given.touchpoints([order('o2', '2026-01-07T10:00Z')]);
    expect(await current()).toMatchObject({ customer_status: 'repeat_customer', is_fully_refunded: false });
  });

  test('have lapsed 180 d after the last signal, that instant included', async () => {
    await given.touchpoints([purchase], { asOf: '2026-07-04T09:59:59.999Z' });
    expect(await current()).toMatchObject({ lapsed: false });
    await given.asOf('2026-07-04T10:00Z');
    expect(await current()).toMatchObject({ lapsed: true });
    await given.touchpoints([{ ...ada, at: '2026-07-05T10:00Z' }]);
    expect(await current()).toMatchObject({ lapsed: false });
  });

  test('who never bought do not lapse', async () => {
    await given.touchpoints([{ ...ada, at: '2026-01-05T10:00Z' }], { asOf: '2027-01-05T10:00Z' });
    expect(await current()).toMatchObject({ lapsed: false });
  });
});

describe('the purchase signal', () => {
  const order = { name: 'purchase', properties: { transaction_id: 'o1' } };

  test('is the earliest touchpoint of an order; later ones of the same order give none', async () => {
    await given.touchpoints([
      { ...ada, ...order, at: '2026-01-05T10:00Z' },
      { ...ada, ...order, at: '2026-01-05T10:05Z', is_trusted: true, source: 'server' },
      { ...ada, at: '2026-01-05T10:31Z' },
    ]);
    expect(await transitions()).toMatchObject([
      { to_stage: 'purchase', occurred_at: '2026-01-05T10:00:00.000Z' },
      { to_stage: 'retention', signal: 'return' }, // 31 min after the only signal
    ]);
  });

  test('comes from the earliest touchpoint of the order’s own person, where the earliest is another’s', async () => {
    await given.touchpoints([
      { anonymous_id: 'stranger', ...order, at: '2026-01-05T10:00Z' },
      { user_id: 'u1', ...order, at: '2026-01-05T10:05Z', is_trusted: true, source: 'server' },
    ]);
    expect(await transitions()).toMatchObject([
      { to_stage: 'purchase', occurred_at: '2026-01-05T10:05:00.000Z' },
    ]);
  });

  test('moves when an earlier touchpoint of the order comes late', async () => {
    await given.touchpoints([{ ...ada, ...order, at: '2026-01-05T10:05Z' }]);
    await given.touchpoints([{ ...ada, ...order, at: '2026-01-05T10:00Z' }]);
    expect(await transitions()).toMatchObject([{ occurred_at: '2026-01-05T10:00:00.000Z' }]);
  });

  test('stays ‘bought before’ whatever was refunded', async () => {
    await given.touchpoints(
      [
        { ...ada, ...order, at: '2026-01-05T10:00Z' },
        { ...ada, ...order, at: '2026-01-05T10:05Z', name: 'refund', is_trusted: true },
        { ...ada, at: '2026-01-05T10:06Z', name: 'add_to_cart' },
      ],
      { asOf: '2026-03-05T10:00Z' },
    );
    expect(await path()).toBe('purchase decision retention');
  });
});

test('a first join gives the user the browser’s past signals', async () => {
  await given.touchpoints([
    { ...ada, at: '2026-01-05T10:00Z' },
    { ...ada, at: '2026-01-05T10:10Z', name: 'view_item' },
    { user_id: 'u1', at: '2026-01-05T10:15Z', name: 'page_view' },
  ]);
  expect(await rowsOf('current_stages')).toHaveLength(2);
  await given.touchpoints([{ ...ada, at: '2026-01-05T10:20Z', type: 'identify', user_id: 'u1' }]);
  expect(await rowsOf('current_stages')).toMatchObject([
    { stage: 'consideration', last_signal_at: '2026-01-05T10:15:00.000Z' },
  ]);
});
