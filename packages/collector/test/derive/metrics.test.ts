import { describe, expect, test } from 'vitest';
import { database, useSite } from './fixture.ts';
import type { Given } from './given.ts';

const { given, rowsOf, siteId } = useSite();

function on(at: string, name = 'page_view', more: Partial<Given> = {}): Given {
  return { anonymous_id: 'ada', at, name, ...more };
}

async function metrics() {
  const rows = await rowsOf('conversion_metrics');
  return rows.sort((a, b) =>
    JSON.stringify([a['day'], a['channel']]) < JSON.stringify([b['day'], b['channel']]) ? -1 : 1,
  );
}

const email = { context: { campaign: { source: 'news', medium: 'email', name: 'may' } } };
const server: Partial<Given> = { source: 'server', is_trusted: true };

describe('conversion_metrics has one row per day of the session’s start, channel, source, campaign and device', () => {
  test('with its sessions, persons, conversions, orders and rates', async () => {
    await given.touchpoints([
      on('2026-01-05T10:00Z', 'page_view', email),
      on('2026-01-05T12:00Z', 'page_view', email),
      on('2026-01-05T12:05Z', 'purchase', { properties: { transaction_id: 'o1', value: 20 } }),
      on('2026-01-05T12:06Z', 'purchase', { properties: { transaction_id: 'o2', value: 5.5 } }),
      on('2026-01-05T13:00Z', 'page_view', { ...email, anonymous_id: 'bob' }),
      on('2026-01-05T14:00Z', 'page_view', { anonymous_id: 'eve' }),
    ]);
    expect(await metrics()).toMatchObject([
      { channel: 'Direct', sessions: 1, converting_sessions: 0, conversion_rate: 0, revenue: 0 },
      {
        day: '2026-01-05',
        channel: 'Email',
        source: 'news',
        campaign: 'may',
        sessions: 3,
        converting_sessions: 1,
        persons: 2,
        converting_persons: 1,
        conversions: 2,
        conversion_rate: 0.5,
        session_conversion_rate: 0.333333,
        orders: 2,
        revenue: 25.5,
        refunded: 0,
        net_revenue: 25.5,
      },
    ]);
  });

  test('days are in the site’s time zone', async () => {
    await given.settings({ time_zone: 'America/New_York' });
    await given.touchpoints([
      on('2026-01-05T04:59Z'),
      on('2026-01-05T05:00Z', 'page_view', { anonymous_id: 'bob' }),
    ]);
    expect(await metrics()).toMatchObject([
      { day: '2026-01-04', sessions: 1 },
      { day: '2026-01-05', sessions: 1 },
    ]);
  });

  test('through the change to summer time', async () => {
    await given.settings({ time_zone: 'Europe/Berlin' });
    await given.touchpoints([
      on('2026-03-28T22:59Z'),
      on('2026-03-29T21:59Z'),
      on('2026-03-29T22:00Z', 'page_view', { anonymous_id: 'bob' }),
    ]);
    expect((await metrics()).map(({ day }) => day)).toEqual(['2026-03-28', '2026-03-29', '2026-03-30']);
  });

  test('a session over midnight counts whole on the day of its start', async () => {
    await given.touchpoints([
      on('2026-01-05T23:50Z'),
      on('2026-01-06T00:05Z', 'purchase', { properties: { value: 10 } }),
    ]);
    expect(await metrics()).toMatchObject([{ day: '2026-01-05', orders: 1, revenue: 10 }]);
  });

  test('by device', async () => {
    await given.touchpoints([
      on('2026-01-05T10:00Z', 'page_view', { context: { device: { type: 'mobile' } } }),
      on('2026-01-05T10:00Z', 'page_view', { anonymous_id: 'bob', context: { device: { type: 'desktop' } } }),
    ]);
    expect(new Set((await metrics()).map(({ device }) => device))).toEqual(new Set(['desktop', 'mobile']));
  });
});

describe('a conversion or order belongs to', () => {
  test('the person’s last session begun within 24 h before', async () => {
    await given.touchpoints([
      on('2026-01-05T10:00Z', 'page_view', { ...email, user_id: 'u1' }),
      { at: '2026-01-06T09:00Z', user_id: 'u1', name: 'purchase', properties: { value: 10 }, ...server },
    ]);
    expect(await metrics()).toMatchObject([
      { day: '2026-01-05', channel: 'Email', converting_sessions: 1, conversion_rate: 1, revenue: 10 },
    ]);
    expect(await rowsOf('sessions')).toMatchObject([{ is_engaged: true }]);
  });

  test('else to the row of its offline channel: device none, its person in persons, sessions 0', async () => {
    await given.touchpoints([
      {
        at: '2026-01-06T09:00Z',
        user_id: 'u1',
        source: 'store',
        is_trusted: true,
        name: 'purchase',
        properties: { value: 10 },
      },
      { at: '2026-01-06T10:00Z', user_id: 'u2', name: 'purchase', properties: { value: 5 }, ...server },
    ]);
    const row = {
      day: '2026-01-06',
      device: 'none',
      sessions: 0,
      persons: 1,
      converting_persons: 1,
      conversion_rate: 1,
    };
    expect(await metrics()).toMatchObject([
      { ...row, channel: 'In Store', revenue: 10, session_conversion_rate: null },
      { ...row, channel: 'Unassigned', revenue: 5, session_conversion_rate: null },
    ]);
  });

  test('a conversion without a session keeps every rate ≤ 1', async () => {
    await given.touchpoints([
      on('2026-01-05T10:00Z', 'page_view', { user_id: 'u1' }),
      { at: '2026-01-06T10:00Z', user_id: 'u1', name: 'purchase', properties: { value: 10 }, ...server },
      { at: '2026-01-06T11:00Z', user_id: 'u1', name: 'purchase', properties: { value: 10 }, ...server },
      { at: '2026-01-06T11:00Z', user_id: 'u2', name: 'purchase', ...server, source: 'phone' },
    ]);
    expect(await metrics()).toMatchObject([
      { channel: 'Direct', sessions: 1, conversions: 0, conversion_rate: 0, session_conversion_rate: 0 },
      { channel: 'Phone', sessions: 0, persons: 1, conversion_rate: 1, session_conversion_rate: null },
      {
        channel: 'Unassigned',
        conversions: 2,
        persons: 1,
        conversion_rate: 1,
        session_conversion_rate: null,
      },
    ]);
    const { rows } = await database.pool.query<{ rate: string }>(
      `select journey.conversion_rate($1, '2026-01-05', '2026-01-06') as rate`,
      [siteId()],
    );
    expect(Number(rows[0]!.rate)).toBe(1);
  });

  test('a session of another person: every numerator is in its denominator', async () => {
    await given.touchpoints([
      on('2026-01-05T10:00Z', 'purchase', { properties: { transaction_id: 'o1' } }),
      {
        at: '2026-01-05T10:01Z',
        user_id: 'u1',
        name: 'purchase',
        properties: { transaction_id: 'o1' },
        ...server,
      },
    ]);
    expect(await metrics()).toMatchObject([
      { sessions: 1, persons: 2, converting_persons: 1, conversion_rate: 0.5 },
    ]);
  });
});

describe('a refund stands on its own day under the session’s dimensions', () => {
  test('without sessions or persons there', async () => {
    await given.touchpoints([
      on('2026-01-05T10:00Z', 'purchase', { ...email, properties: { transaction_id: 'o1', value: 50 } }),
      {
        at: '2026-01-09T10:00Z',
        user_id: 'u1',
        name: 'refund',
        properties: { transaction_id: 'o1', value: 20 },
        ...server,
      },
    ]);
    expect(await metrics()).toMatchObject([
      { day: '2026-01-05', channel: 'Email', revenue: 50, refunded: 0, net_revenue: 50 },
      {
        day: '2026-01-09',
        channel: 'Email',
        source: 'news',
        campaign: 'may',
        sessions: 0,
        persons: 0,
        conversion_rate: null,
        session_conversion_rate: null,
        orders: 0,
        revenue: 0,
        refunded: 20,
        net_revenue: -20,
      },
    ]);
  });

  test('amounts without a rate are left out', async () => {
    await given.touchpoints([
      on('2026-01-05T10:00Z', 'purchase', {
        properties: { transaction_id: 'o1', value: 50, currency: 'USD' },
      }),
      on('2026-01-05T10:01Z', 'refund', { properties: { transaction_id: 'o1' }, ...server }),
    ]);
    expect(await metrics()).toMatchObject([{ orders: 1, conversions: 1, revenue: 0, refunded: 0 }]);
  });
});
