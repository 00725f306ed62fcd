import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../reference/inputs.ts';
import { database, useSite } from './fixture.ts';

const { given, rowsOf, siteId } = useSite();
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

describe('a session ends when it is brought a campaign: utm_source, utm_medium, utm_campaign, utm_id or a click id', () => {
  const known = { source: 'news', medium: 'email', name: 'may', id: '1', gclid: 'x' };
  test.each<[string, JsonObject]>([
    ['another utm_source', { ...known, source: 'other' }],
    ['another utm_medium', { ...known, medium: 'sms' }],
    ['another utm_campaign', { ...known, name: 'june' }],
    ['another utm_id', { ...known, id: '2' }],
    ['another click id of that kind', { ...known, gclid: 'y' }],
    ['one more click id', { ...known, fbclid: 'z' }],
    ['less of it', { source: 'news', medium: 'email' }],
    ['the same in other letters', { ...known, source: 'News' }],
  ])('%s', async (_, other) => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z', context: { campaign: known } },
      { ...ada, at: '2026-01-05T10:01Z', context: { campaign: other } },
    ]);
    expect(await counts()).toEqual([1, 1]);
  });

  test.each<[string, JsonObject]>([
    ['a gclid in the address', { page: { url: 'https://shop.example/?gclid=x' } }],
    ['an msclkid in the address', { page: { url: 'https://shop.example/?a=b&msclkid=x' } }],
    ['an li_fat_id in the address', { page: { url: 'https://shop.example/?li_fat_id=x' } }],
    ['a wbraid in the address', { page: { url: 'https://shop.example/?wbraid=x' } }],
    ['a utm_id in the address', { page: { url: 'https://shop.example/?utm_id=x' } }],
    ['a ttclid in context.click_ids', { click_ids: { ttclid: 'x' } }],
  ])('%s, and had none', async (_, context) => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z' },
      { ...ada, at: '2026-01-05T10:01Z', context },
    ]);
    expect(await counts()).toEqual([1, 1]);
  });

  test('what differs from its last one: going back to the first campaign is a third session', async () => {
    const by = (source: string) => ({ ...ada, context: { campaign: { source } } });
    await given.touchpoints([
      { ...by('a'), at: '2026-01-05T10:00Z' },
      { ...by('b'), at: '2026-01-05T10:01Z' },
      { ...by('a'), at: '2026-01-05T10:02Z' },
    ]);
    expect(await counts()).toEqual([1, 1, 1]);
  });
});

describe('a session’s limits are settings', () => {
  test('the gap', async () => {
    await given.settings({ session_gap: '5 minutes' });
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z' },
      { ...ada, at: '2026-01-05T10:04:59.999Z' },
      { ...ada, at: '2026-01-05T10:09:59.999Z' },
    ]);
    expect(await counts()).toEqual([2, 1]);
  });

  test('the longest time after its first touchpoint', async () => {
    await given.settings({ session_limit: '1 hour' });
    const minutes = [0, 20, 40, 59, 60, 80];
    await given.touchpoints(
      minutes.map((minute) => ({ ...ada, at: Date.parse('2026-01-05T10:00Z') + minute * 60_000 })),
    );
    expect(await counts()).toEqual([4, 2]);
  });
});

describe('a session ends when another person takes the browser', () => {
  test('in mid-session: what A did stays A’s, what follows is B’s', async () => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z' },
      { ...ada, at: '2026-01-05T10:01Z', user_id: 'a' },
      {
        ...ada,
        at: '2026-01-05T10:02Z',
        user_id: 'b',
        context: { page: { referrer: 'https://www.google.com/' } },
      },
      { ...ada, at: '2026-01-05T10:03Z' },
    ]);
    const rows = await sessions();
    expect(rows).toMatchObject([
      { touchpoint_count: 2, channel: 'Direct' },
      { touchpoint_count: 2, channel: 'Organic Search' },
    ]);
    expect(rows[0]!['person_id']).not.toBe(rows[1]!['person_id']);
  });

  test('and again when the first one comes back', async () => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z', user_id: 'a' },
      { ...ada, at: '2026-01-05T10:01Z', user_id: 'b' },
      { ...ada, at: '2026-01-05T10:02Z', user_id: 'a' },
    ]);
    expect(await counts()).toEqual([1, 1, 1]);
  });

  test('also where it is known only later: a late sign-in cuts the session', async () => {
    await given.touchpoints([
      { ...ada, at: '2026-01-05T10:00Z', user_id: 'a' },
      { ...ada, at: '2026-01-05T10:05Z' },
    ]);
    expect(await counts()).toEqual([2]);
    await given.touchpoints([{ ...ada, at: '2026-01-05T10:04Z', type: 'identify', user_id: 'b' }]);
    expect(await counts()).toEqual([1, 1]);
  });
});

test('a late touchpoint joins two sessions, or moves the beginning of one', async () => {
  await given.touchpoints([
    { ...ada, at: '2026-01-05T10:00Z' },
    { ...ada, at: '2026-01-05T10:40Z', context: { campaign: { source: 'x', medium: 'sms' } } },
    { ...ada, at: '2026-01-05T10:41Z' },
  ]);
  expect(await sessions()).toMatchObject([{ channel: 'Direct' }, { channel: 'SMS' }]);
  await given.touchpoints([
    { ...ada, at: '2026-01-05T10:39Z', context: { campaign: { source: 'x', medium: 'sms' } } },
    { ...ada, at: '2026-01-05T09:50Z', context: { page: { referrer: 'https://www.google.com/' } } },
  ]);
  expect(await sessions()).toMatchObject([
    { channel: 'Organic Search', started_at: '2026-01-05T09:50:00.000Z', touchpoint_count: 2 },
    { channel: 'SMS', started_at: '2026-01-05T10:39:00.000Z', touchpoint_count: 3 },
  ]);
});

test('sessions of one person’s browsers, joined by a user id, keep their own ends', async () => {
  await given.touchpoints([
    { anonymous_id: 'phone', at: '2026-01-05T10:00Z' },
    { anonymous_id: 'laptop', at: '2026-01-05T10:20Z' },
    { anonymous_id: 'phone', at: '2026-01-05T10:40Z', user_id: 'u1' },
    { anonymous_id: 'laptop', at: '2026-01-05T10:45Z', user_id: 'u1' },
  ]);
  const rows = await sessions();
  expect(rows.map(({ visitor_id: visitor, touchpoint_count: count }) => [visitor, count])).toEqual([
    ['phone', 1],
    ['laptop', 2],
    ['phone', 1],
  ]);
  expect(new Set(rows.map(({ person_id: person }) => person)).size).toBe(1);
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

test('bounce = not engaged; time on site = mean engaged time of a session', async () => {
  const engaged = (ms: number) => ({ name: 'user_engagement', properties: { engagement_time_msec: ms } });
  await given.touchpoints([
    { anonymous_id: 'a', at: '2026-01-05T10:00Z' },
    { anonymous_id: 'b', at: '2026-01-05T10:00Z' },
    { anonymous_id: 'b', at: '2026-01-05T10:01Z', ...engaged(9_000) },
    { anonymous_id: 'c', at: '2026-01-05T10:00Z' },
    { anonymous_id: 'c', at: '2026-01-05T10:01Z', ...engaged(15_000) },
    { anonymous_id: 'd', at: '2026-01-05T10:00Z' },
    { anonymous_id: 'd', at: '2026-01-05T10:20Z' },
  ]);
  const { rows } = await database.pool.query(
    `select avg((not is_engaged)::integer)::double precision as bounce_rate, avg(engaged_seconds)::double precision as time_on_site
     from journey.sessions where site_id = $1`,
    [siteId()],
  );
  expect(rows).toEqual([{ bounce_rate: 0.5, time_on_site: 6 }]);
});

test('the time a session has to be engaged is a setting', async () => {
  await given.settings({ engaged_after: '3 seconds' });
  await given.touchpoints([
    { ...ada, at: '2026-01-05T10:00Z' },
    { ...ada, at: '2026-01-05T10:01Z', name: 'user_engagement', properties: { engagement_time_msec: 3_000 } },
  ]);
  expect(await sessions()).toMatchObject([{ is_engaged: true, engaged_seconds: 3 }]);
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
