import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../reference/inputs.ts';
import { useCases, useSite } from './fixture.ts';

const { given, rowsOf } = useSite();
const ada = { anonymous_id: 'ada' };

async function sessions() {
  const rows = await rowsOf('sessions');
  return rows.sort((a, b) => (String(a['started_at']) < String(b['started_at']) ? -1 : 1));
}

async function counts(): Promise<unknown[]> {
  return (await sessions()).map((session) => session['touchpoint_count']);
}

describe('a session ends', () => {
  test('after 30 min without a touchpoint: a gap of exactly 30 min starts a new one', async () => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00:00.000Z' },
      { ...ada, at: '2026-01-05T10:29:59.999Z' },
      { ...ada, at: '2026-01-05T10:59:59.999Z' },
    ]);
    expect(await sessions()).toMatchObject([
      {
        visitor_id: 'ada',
        started_at: '2026-01-05T10:00:00.000Z',
        ended_at: '2026-01-05T10:29:59.999Z',
        touchpoint_count: 2,
        duration_seconds: 1799.999,
      },
      { visitor_id: 'ada', touchpoint_count: 1, duration_seconds: 0 },
    ]);
  });

  test('24 h after its first touchpoint, exactly 24 h included', async () => {
    const start = Date.parse('2026-01-05T10:00Z');
    const everyTwentyMinutes = Array.from({ length: 73 }, (_, index) => ({
      ...ada,
      at: start + index * 1_200_000,
    }));
    await given.touchpoints(everyTwentyMinutes);
    expect(await sessions()).toMatchObject([
      { touchpoint_count: 72, duration_seconds: 71 * 1200 },
      { touchpoint_count: 1, started_at: '2026-01-06T10:00:00.000Z' },
    ]);
  });

  test('when the visitor’s touchpoints begin to belong to another person', async () => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z', user_id: 'u1' },
      { ...ada, at: '2026-01-05T10:01Z' },
      { ...ada, at: '2026-01-05T10:02Z', type: 'identify', user_id: 'u2' },
      { ...ada, at: '2026-01-05T10:03Z' },
    ]);
    expect(await sessions()).toMatchObject([{ touchpoint_count: 2 }, { touchpoint_count: 1 }]);
  });

  test('when a touchpoint brings a campaign whose tuple differs from the session’s last one', async () => {
    const by = (campaign: Record<string, string>) => ({ ...ada, context: { campaign } });
    await given.touchpoints([
      { ...by({ source: 'news', medium: 'email', name: 'may' }), at: '2026-01-05T10:00Z' },
      { ...ada, at: '2026-01-05T10:01Z' },
      { ...by({ source: 'news', medium: 'email', name: 'may' }), at: '2026-01-05T10:02Z' },
      { ...by({ source: 'news', medium: 'email', name: 'june' }), at: '2026-01-05T10:03Z' },
      { ...by({ source: 'news', medium: 'email', name: 'june', id: '7' }), at: '2026-01-05T10:04Z' },
      {
        ...by({ source: 'news', medium: 'email', name: 'june', id: '7', gclid: 'x' }),
        at: '2026-01-05T10:05Z',
      },
    ]);
    expect(await counts()).toEqual([3, 1, 1, 1]);
  });

  test('when a touchpoint brings a campaign and the session had none', async () => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z' },
      { ...ada, at: '2026-01-05T10:01Z', context: { campaign: { gclid: 'abc' } } },
      { ...ada, at: '2026-01-05T10:02Z', context: { campaign: { gclid: 'abc' } } },
    ]);
    expect(await counts()).toEqual([1, 2]);
    expect(await sessions()).toMatchObject([{ channel: 'Direct' }, { channel: 'Paid Search' }]);
  });
});

describe('a session goes on', () => {
  test('when a first join happens in it', async () => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z' },
      { ...ada, at: '2026-01-05T10:01Z', type: 'identify', user_id: 'u1' },
      { ...ada, at: '2026-01-05T10:02Z', user_id: 'u1' },
      { ...ada, at: '2026-01-05T10:03Z' },
    ]);
    expect(await counts()).toEqual([3]);
  });

  test('over midnight and for a plain referrer', async () => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T23:50Z' },
      { ...ada, at: '2026-01-06T00:10Z', context: { page: { referrer: 'https://example.org/' } } },
    ]);
    expect(await counts()).toEqual([2]);
  });

  test('whatever campaign comes, where the site turned the split off (GA4’s way)', async () => {
    await given.settings({ is_session_split_by_campaign: false });
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z', context: { campaign: { source: 'a' } } },
      { ...ada, at: '2026-01-05T10:01Z', context: { campaign: { source: 'b' } } },
    ]);
    expect(await counts()).toEqual([2]);
  });

  test('when only the term or content of its campaign changes', async () => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z', context: { campaign: { source: 'a', term: 'boots' } } },
      {
        ...ada,
        at: '2026-01-05T10:01Z',
        context: { campaign: { source: 'a', term: 'socks', content: 'x' } },
      },
    ]);
    expect(await counts()).toEqual([2]);
  });
});

test('its session_id is its first touchpoint’s id', async () => {
  const [first, second] = ['0199b6a0-0000-7000-8000-000000000001', '0199b6a0-0000-7000-8000-000000000002'];
  await given.touchpoints([
    { ...ada, id: second, at: '2026-01-05T10:00Z' },
    { ...ada, id: first, at: '2026-01-05T10:00Z' },
  ]);
  expect(await sessions()).toMatchObject([{ session_id: first, touchpoint_count: 2 }]);
});

test('touchpoints of one instant stand in the order of sequence, then of id', async () => {
  const [first, second] = ['0199b6a0-0000-7000-8000-000000000001', '0199b6a0-0000-7000-8000-000000000002'];
  await given.touchpoints([
    { ...ada, id: first, sequence: 2, at: '2026-01-05T10:00Z' },
    { ...ada, id: second, sequence: 1, at: '2026-01-05T10:00Z' },
  ]);
  expect(await sessions()).toMatchObject([{ session_id: second }]);
});

test('offline and server touchpoints belong to none, nor do identify, group and alias calls', async () => {
  await given.touchpoints([
    { ...ada, at: '2026-01-05T10:00Z', source: 'server' },
    { ...ada, at: '2026-01-05T10:01Z', source: 'store', is_trusted: true },
    { ...ada, at: '2026-01-05T10:02Z', type: 'identify', user_id: 'u1' },
    { ...ada, at: '2026-01-05T10:03Z', type: 'group', user_id: 'u1' },
    { at: '2026-01-05T10:04Z', user_id: 'u1', source: 'web' },
  ]);
  expect(await sessions()).toEqual([]);
});

test('a call of type identify keeps no session alive', async () => {
  await given.touchpoints([
    { ...ada, at: '2026-01-05T10:00Z' },
    { ...ada, at: '2026-01-05T10:20Z', type: 'identify', user_id: 'u1' },
    { ...ada, at: '2026-01-05T10:40Z' },
  ]);
  expect(await counts()).toEqual([1, 1]);
});

test('sessions of two visitors of one person are never joined', async () => {
  await given.touchpoints([
    { anonymous_id: 'phone', user_id: 'u1', at: '2026-01-05T10:00Z' },
    { anonymous_id: 'laptop', user_id: 'u1', at: '2026-01-05T10:01Z' },
  ]);
  const rows = await sessions();
  expect(rows).toMatchObject([{ visitor_id: 'phone' }, { visitor_id: 'laptop' }]);
  expect(rows[0]!['person_id']).toBe(rows[1]!['person_id']);
});

test('bots are in no session', async () => {
  const context = { userAgent: 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' };
  await given.touchpoints([
    { ...ada, at: '2026-01-05T10:00Z', context },
    { ...ada, at: '2026-01-05T10:20Z' },
    { ...ada, at: '2026-01-05T10:40Z', context },
  ]);
  expect(await sessions()).toMatchObject([{ touchpoint_count: 1, started_at: '2026-01-05T10:20:00.000Z' }]);
});

test('entry and exit page, page views and engaged time come from its touchpoints', async () => {
  const on = (path: string) => ({ ...ada, context: { page: { path } } });
  await given.touchpoints([
    { ...on('/'), at: '2026-01-05T10:00Z' },
    { ...on('/boots'), at: '2026-01-05T10:01Z', type: 'page' },
    {
      ...on('/boots'),
      at: '2026-01-05T10:02Z',
      name: 'user_engagement',
      properties: { engagement_time_msec: 4_500 },
    },
    { ...on('/cart'), at: '2026-01-05T10:03Z', name: 'view_cart' },
    {
      ...ada,
      at: '2026-01-05T10:04Z',
      name: 'user_engagement',
      properties: { engagement_time_msec: '1250' },
    },
  ]);
  expect(await sessions()).toMatchObject([
    {
      entry_page: '/',
      exit_page: '/cart',
      page_view_count: 2,
      touchpoint_count: 5,
      engaged_seconds: 5.75,
      duration_seconds: 240,
    },
  ]);
});

describe('an engaged session', () => {
  const engaged = (ms: number) => ({ name: 'user_engagement', properties: { engagement_time_msec: ms } });
  test.each([
    ['has 10 s of engaged time', [engaged(6_000), engaged(4_000)], true],
    ['is not one with less', [engaged(9_999)], false],
    ['has two page views', [{}, {}], true],
    ['is not one with a single page view', [{}], false],
    ['has a conversion', [{ name: 'purchase' }], true],
    ['is not one with a cart alone', [{ name: 'add_to_cart' }], false],
  ])('%s', async (_, touchpoints, is_engaged) => {
    await given.touchpoints(
      touchpoints.map((touchpoint, minute) => ({
        ...ada,
        ...touchpoint,
        at: `2026-01-05T10:0${minute}:00Z`,
      })),
    );
    expect(await sessions()).toMatchObject([{ is_engaged }]);
  });
});

const page = (search: string, referrer?: string) => ({
  page: { url: `https://shop.example/${search}`, ...(referrer ? { referrer } : {}) },
});
const origins: [string, JsonObject, string, string][] = [
  ['UTM parameters', { campaign: { source: 'news', medium: 'email', name: 'may' } }, 'news', 'Email'],
  ['UTM parameters of the page', page('?utm_source=x&utm_medium=affiliate'), 'x', 'Affiliates'],
  ['else click ids', page('?gclid=abc'), 'google', 'Paid Search'],
  ['fbclid alone is social but not paid', page('?fbclid=abc'), 'facebook', 'Organic Social'],
  ['else the referrer: a search engine', page('', 'https://www.google.com/'), 'google', 'Organic Search'],
  ['else the referrer: another site', page('', 'https://blog.example/post'), 'blog.example', 'Referral'],
  ['the page’s own host is never a referrer', page('', 'https://shop.example/a'), '(direct)', 'Direct'],
  ['a payment host is no referrer', page('', 'https://www.paypal.com/pay'), '(direct)', 'Direct'],
  ['else direct', page(''), '(direct)', 'Direct'],
];

describe('source, medium and campaign come from', () => {
  const { rowsOf: rowsOfCase } = useCases(
    origins.map(([who, context]) => ({ who, touchpoints: [{ at: '2026-01-05T10:00Z', context }] })),
  );
  test.each(origins)('%s', (who, _, source, channel) => {
    expect(rowsOfCase('sessions', who)).toMatchObject([{ source, channel }]);
  });
});

test('source and channel are those of its first touchpoint', async () => {
  await given.touchpoints([
    { ...ada, at: '2026-01-05T10:00Z', context: { campaign: { source: 'news', medium: 'email' } } },
    { ...ada, at: '2026-01-05T10:10Z', context: { page: { referrer: 'https://www.google.com/' } } },
  ]);
  expect(await sessions()).toMatchObject([
    { source: 'news', medium: 'email', channel: 'Email', touchpoint_count: 2 },
  ]);
});
