/** Sections 1 and 2: what is kept and counted nowhere, and the days of a site's time zone. */
import { describe, expect, test } from 'vitest';
import { database, useSite } from './fixture.ts';
import type { Given } from './given.ts';
import { textOfViews, viewNames } from './views.ts';

const { given, rowsOf, siteId } = useSite();
const ada = { anonymous_id: 'ada' };

describe('bots and internal traffic are kept and flagged with the reason, visible in journey.touchpoints and in no other view', () => {
  const crawler = { userAgent: 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' };
  const acts: Given[] = [
    {
      ...ada,
      at: '2026-01-05T10:00Z',
      name: 'view_item',
      properties: { items: [{ item_id: 'a', price: 3 }] },
    },
    { ...ada, at: '2026-01-05T10:01Z', type: 'identify', user_id: 'u1', traits: { plan: 'x' } },
    {
      ...ada,
      at: '2026-01-05T10:02Z',
      user_id: 'u1',
      name: 'add_to_cart',
      properties: { items: [{ item_id: 'a' }] },
    },
    {
      ...ada,
      at: '2026-01-05T10:03Z',
      user_id: 'u1',
      name: 'purchase',
      properties: { transaction_id: 'o1', value: 3 },
    },
    { ...ada, at: '2026-01-05T10:04Z', name: 'survey_answered', properties: { kind: 'nps', score: 9 } },
  ];

  test.each([
    [
      'bots',
      (act: Given): Given => ({ ...act, context: crawler }),
      { is_bot: true, bot_reason: 'user_agent', is_internal: false },
    ],
    [
      'internal traffic',
      (act: Given): Given => ({ ...act, properties: { ...act.properties, traffic_type: 'internal' } }),
      { is_bot: false, is_internal: true, internal_reason: 'traffic_type' },
    ],
  ])('%s', async (_, flagged, flags) => {
    await given.touchpoints(acts.map(flagged), { asOf: '2026-04-01T00:00Z' });
    const site = { siteId: siteId() };
    expect(await rowsOf('touchpoints')).toEqual(
      Array.from({ length: 5 }, () =>
        expect.objectContaining({ ...flags, person_id: null, session_id: null }),
      ),
    );
    // What says of a site that it has nobody is no trace of anybody.
    const aboutNobody = ['touchpoints', 'stages', 'funnel_stages'];
    const others = (await viewNames(database.pool)).filter((view) => !aboutNobody.includes(view));
    const rows = await textOfViews(database.pool, site, [...others, 'changes', 'cart_triggers']);
    expect(Object.entries(rows).filter(([, texts]) => texts.length > 0)).toEqual([]);
    expect((await rowsOf('funnel_stages')).filter(({ entered }) => entered !== 0)).toEqual([]);
  });
});

describe('days are in the site’s time zone, through changes to and from summer time', () => {
  const days = async (view: string): Promise<unknown[]> => {
    const rows = await rowsOf(view);
    return rows.flatMap(({ day, sessions, entered }) =>
      Array.from({ length: Number(sessions ?? entered) }, () => day),
    );
  };

  test.each([
    // Clocks go from 02:00 to 03:00 at 01:00 UTC.
    ['Europe/Berlin', '2026-03-28T22:59:59.999Z', '2026-03-28'],
    ['Europe/Berlin', '2026-03-28T23:00:00.000Z', '2026-03-29'],
    ['Europe/Berlin', '2026-03-29T21:59:59.999Z', '2026-03-29'],
    ['Europe/Berlin', '2026-03-29T22:00:00.000Z', '2026-03-30'],
    // And from 03:00 back to 02:00.
    ['Europe/Berlin', '2026-10-24T22:00:00.000Z', '2026-10-25'],
    ['Europe/Berlin', '2026-10-25T22:59:59.999Z', '2026-10-25'],
    ['Europe/Berlin', '2026-10-25T23:00:00.000Z', '2026-10-26'],
    // A day without a midnight: from 00:00 to 01:00.
    ['America/Sao_Paulo', '2018-11-04T02:59:59.999Z', '2018-11-03'],
    ['America/Sao_Paulo', '2018-11-04T03:00:00.000Z', '2018-11-04'],
    ['America/Sao_Paulo', '2018-11-05T01:59:59.999Z', '2018-11-04'],
    ['America/Sao_Paulo', '2018-11-05T02:00:00.000Z', '2018-11-05'],
    // A last hour that comes twice: from 00:00 back to 23:00.
    ['America/Sao_Paulo', '2019-02-17T01:59:59.999Z', '2019-02-16'],
    ['America/Sao_Paulo', '2019-02-17T02:30:00.000Z', '2019-02-16'],
    ['America/Sao_Paulo', '2019-02-17T02:59:59.999Z', '2019-02-16'],
    ['America/Sao_Paulo', '2019-02-17T03:00:00.000Z', '2019-02-17'],
    ['Asia/Kathmandu', '2026-01-05T18:14:59.999Z', '2026-01-05'],
    ['Asia/Kathmandu', '2026-01-05T18:15:00.000Z', '2026-01-06'],
    ['UTC', '2026-03-29T23:59:59.999Z', '2026-03-29'],
  ])('in %s %s is of %s', async (time_zone, at, day) => {
    await given.settings({ time_zone });
    await given.touchpoints([{ ...ada, at }]);
    expect(await days('conversion_metrics')).toEqual([day]);
    expect(await days('stage_metrics')).toEqual([day]);
  });

  test('a session, its order and its refund: the refund stands on its own day', async () => {
    await given.settings({ time_zone: 'Europe/Berlin' });
    const order = { transaction_id: 'o1', currency: 'EUR' };
    await given.touchpoints([
      { ...ada, at: '2026-03-28T22:50Z' },
      { ...ada, at: '2026-03-28T23:10Z', name: 'purchase', properties: { ...order, value: 10 } },
      {
        ...ada,
        at: '2026-03-29T22:00Z',
        name: 'refund',
        properties: order,
        is_trusted: true,
        source: 'server',
      },
    ]);
    const rows = await rowsOf('conversion_metrics');
    expect(rows.sort((a, b) => (String(a['day']) < String(b['day']) ? -1 : 1))).toMatchObject([
      { day: '2026-03-28', sessions: 1, orders: 1, revenue: 10, refunded: 0 },
      { day: '2026-03-30', sessions: 0, orders: 0, revenue: 0, refunded: 10 },
    ]);
  });
});

describe('durations are absolute', () => {
  test('30 d = 720 h, also through a change to summer time', async () => {
    await given.settings({ time_zone: 'Europe/Berlin' });
    await given.touchpoints([{ ...ada, at: '2026-03-20T10:00Z', name: 'view_cart' }], {
      asOf: '2026-04-19T09:59:59.999Z',
    });
    expect(await rowsOf('current_stages')).toMatchObject([{ stage: 'decision' }]);
    await given.asOf('2026-04-19T10:00Z');
    expect(await rowsOf('current_stages')).toMatchObject([
      { stage: 'consideration', since: '2026-04-19T10:00:00.000Z' },
    ]);
  });

  test('30 minutes are 30 minutes in the night the clocks change, and the session goes on through it', async () => {
    await given.settings({ time_zone: 'Europe/Berlin' });
    await given.touchpoints([
      { ...ada, at: '2026-03-29T00:45Z' },
      { ...ada, at: '2026-03-29T01:14:59.999Z' },
      { anonymous_id: 'bob', at: '2026-10-25T00:45Z' },
      { anonymous_id: 'bob', at: '2026-10-25T01:15Z' },
    ]);
    const rows = await rowsOf('sessions');
    expect(rows.filter(({ visitor_id: visitor }) => visitor === 'ada')).toMatchObject([
      { touchpoint_count: 2, duration_seconds: 1799.999 },
    ]);
    expect(rows.filter(({ visitor_id: visitor }) => visitor === 'bob')).toHaveLength(2);
  });

  test('24 hours are 24 hours on a day of 23', async () => {
    await given.settings({ time_zone: 'Europe/Berlin' });
    const start = Date.parse('2026-03-28T12:00Z');
    await given.touchpoints(
      Array.from({ length: 73 }, (_, index) => ({ ...ada, at: start + index * 1_200_000 })),
    );
    const rows = await rowsOf('sessions');
    expect(new Set(rows.map(({ touchpoint_count: count }) => count))).toEqual(new Set([1, 72]));
  });
});
