/** Where a session came from and by which channel: the sentences of section 5, and Google's own definitions. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { setChannels, resetChannels } from '../../src/channels/store.ts';
import type { ChannelsDocument } from '../../src/channels/document.ts';
import { rebuild } from '../../src/derive/index.ts';
import type { JsonObject } from '../reference/inputs.ts';
import { type Case, database, useCases, useSite } from './fixture.ts';
import { expectVerified } from './views.ts';

const at = '2026-01-05T10:00Z';
const shop = 'https://shop.example/';

/** A page of the shop, by the query of its address and by its referrer. */
function page(query: string, referrer?: string): JsonObject {
  return { page: { url: `${shop}${query}`, ...(referrer === undefined ? {} : { referrer }) } };
}

function tagged(source: string | null, medium: string | null, name?: string): JsonObject {
  return { campaign: { ...(source && { source }), ...(medium && { medium }), ...(name && { name }) } };
}

function casesOf(rows: [string, JsonObject, ...unknown[]][]): Case[] {
  return rows.map(([who, context]) => ({ who, touchpoints: [{ at, context }] }));
}

type Origin = { source: string | null; medium: string | null; channel: string };

describe('source, medium and campaign come', () => {
  const google = 'https://www.google.com/';
  const rows: [string, JsonObject, Partial<Origin> & { campaign?: string | null }][] = [
    [
      'from UTM parameters before click ids and the referrer',
      page('?utm_source=news&utm_medium=email&utm_campaign=may&gclid=x', google),
      { source: 'news', medium: 'email', campaign: 'may', channel: 'Email' },
    ],
    [
      'else from click ids before the referrer',
      page('?gclid=x', 'https://www.facebook.com/'),
      { source: 'google', medium: 'cpc', channel: 'Paid Search' },
    ],
    [
      'else from the referrer',
      page('', google),
      { source: 'google', medium: 'organic', channel: 'Organic Search' },
    ],
    ['else they are direct', page(''), { source: '(direct)', medium: '(none)', channel: 'Direct' }],
    [
      'from UTM parameters whole: a missing medium stays missing beside a click id',
      page('?utm_source=news&gclid=x', google),
      { source: 'news', medium: null, channel: 'Unassigned' },
    ],
    [
      'from the campaign of the context before that of the page',
      { ...page('?utm_source=a&utm_medium=email'), ...tagged('b', 'affiliate') },
      { source: 'b', medium: 'affiliate', channel: 'Affiliates' },
    ],
    [
      'from the referrer where only a campaign’s id is given',
      page('?utm_id=77', google),
      { source: 'google', medium: 'organic', campaign: null },
    ],
    [
      'from the referrer where only term or content is given',
      page('?utm_term=boots&utm_content=a', google),
      { source: 'google', medium: 'organic' },
    ],
    [
      'from the first of several',
      page('?utm_source=a&utm_source=b&utm_medium=sms'),
      { source: 'a', channel: 'SMS' },
    ],
    [
      'as they were written, whatever their case',
      page('?utm_source=News%20Letter&utm_medium=E-Mail'),
      { source: 'News Letter', medium: 'E-Mail', channel: 'Email' },
    ],
    [
      'from no blank',
      page('?utm_source=%20%20&utm_medium=', google),
      { source: 'google', medium: 'organic' },
    ],
    ['from no empty query', page('?', google), { source: 'google', channel: 'Organic Search' }],
    [
      'with malformed escapes as they stand',
      page('?utm_source=%E0%A4%A&utm_medium=%ZZ'),
      { source: '%E0%A4%A', medium: '%ZZ', channel: 'Unassigned' },
    ],
    [
      'with placeholders that nobody filled in as they stand',
      page('?utm_source={{site.name}}&utm_medium=paid&utm_campaign={{campaign.name}}'),
      { source: '{{site.name}}', campaign: '{{campaign.name}}', channel: 'Paid Other' },
    ],
    [
      'cut where they are longer than anyone means',
      page(`?utm_source=${'x'.repeat(9_000)}&utm_medium=email&utm_campaign=${'%F0%9F%92%A9'.repeat(900)}`),
      { source: 'x'.repeat(200), campaign: '💩'.repeat(200), channel: 'Email' },
    ],
    [
      'from numbers as their text',
      { campaign: { source: 7, medium: 'email' } },
      { source: '7', medium: 'email', channel: 'Email' },
    ],
    [
      'from nothing that is no text',
      { campaign: { source: ['a'], medium: { b: 1 } } },
      { source: '(direct)' },
    ],
  ];
  const { rowsOf } = useCases(casesOf(rows));
  test.each(rows)('%s', (who, _, expected) => {
    expect(rowsOf('sessions', who)).toMatchObject([expected]);
  });
});

describe('a click id alone', () => {
  const rows: [string, JsonObject, string, string, string][] = [
    ['gclid is paid', page('?gclid=x'), 'google', 'cpc', 'Paid Search'],
    ['gbraid is paid', page('?gbraid=x'), 'google', 'cpc', 'Paid Search'],
    ['wbraid is paid', page('?wbraid=x'), 'google', 'cpc', 'Paid Search'],
    ['dclid is paid', page('?dclid=x'), 'google', 'cpc', 'Paid Search'],
    ['msclkid is paid', page('?msclkid=x'), 'bing', 'cpc', 'Paid Search'],
    ['fbclid is social but not paid', page('?fbclid=x'), 'facebook', 'social', 'Organic Social'],
    ['ttclid is social but not paid', page('?ttclid=x'), 'tiktok', 'social', 'Organic Social'],
    ['twclid is social but not paid', page('?twclid=x'), 'twitter', 'social', 'Organic Social'],
    ['li_fat_id is social but not paid', page('?li_fat_id=x'), 'linkedin', 'social', 'Organic Social'],
    ['of several the paid one counts', page('?fbclid=x&gclid=y'), 'google', 'cpc', 'Paid Search'],
    ['in context.campaign counts too', { campaign: { msclkid: 'x' } }, 'bing', 'cpc', 'Paid Search'],
    ['in context.click_ids counts too', { click_ids: { ttclid: 'x' } }, 'tiktok', 'social', 'Organic Social'],
    ['that is empty is none', page('?gclid='), '(direct)', '(none)', 'Direct'],
  ];
  const { rowsOf } = useCases(casesOf(rows));
  test.each(rows)('%s', (who, _, source, medium, channel) => {
    expect(rowsOf('sessions', who)).toMatchObject([{ source, medium, channel }]);
  });
});

describe('a referrer', () => {
  const from = (referrer: string): JsonObject => page('', referrer);
  const none = ['(direct)', '(none)', 'Direct'] as const;
  const rows: [string, JsonObject, string, string, string][] = [
    ['that is a search engine', from('https://duckduckgo.com/'), 'duckduckgo', 'organic', 'Organic Search'],
    [
      'google.co.uk is google',
      from('https://www.google.co.uk/search?q=x'),
      'google',
      'organic',
      'Organic Search',
    ],
    ['google.com.au is google', from('https://www.google.com.au/'), 'google', 'organic', 'Organic Search'],
    [
      'of a country’s Yahoo is yahoo',
      from('https://de.search.yahoo.com/'),
      'yahoo',
      'organic',
      'Organic Search',
    ],
    [
      'below a search engine',
      from('https://lite.duckduckgo.com/'),
      'duckduckgo',
      'organic',
      'Organic Search',
    ],
    [
      'of Google that is no search',
      from('https://docs.google.com/'),
      'docs.google.com',
      'referral',
      'Referral',
    ],
    [
      'that only looks like Google',
      from('https://google.com.evil.example/'),
      'google.com.evil.example',
      'referral',
      'Referral',
    ],
    ['that only ends like Google', from('https://notgoogle.com/'), 'notgoogle.com', 'referral', 'Referral'],
    [
      'that is a social site',
      from('https://www.facebook.com/x'),
      'facebook.com',
      'referral',
      'Organic Social',
    ],
    [
      'below a social site',
      from('https://l.instagram.com/?u=x'),
      'l.instagram.com',
      'referral',
      'Organic Social',
    ],
    ['t.co is social', from('https://t.co/abc'), 't.co', 'referral', 'Organic Social'],
    [
      'that is a video site',
      from('https://m.youtube.com/watch?v=1'),
      'm.youtube.com',
      'referral',
      'Organic Video',
    ],
    ['youtu.be is video', from('https://youtu.be/1'), 'youtu.be', 'referral', 'Organic Video'],
    [
      'that is a shopping site',
      from('https://www.amazon.com/'),
      'amazon.com',
      'referral',
      'Organic Shopping',
    ],
    [
      'that is such a site of another country',
      from('https://www.amazon.de/'),
      'amazon.de',
      'referral',
      'Organic Shopping',
    ],
    ['that is an assistant', from('https://chatgpt.com/'), 'chatgpt.com', 'referral', 'AI Assistant'],
    [
      'www.perplexity.ai is an assistant',
      from('https://www.perplexity.ai/'),
      'perplexity.ai',
      'referral',
      'AI Assistant',
    ],
    [
      'gemini.google.com is no search',
      from('https://gemini.google.com/'),
      'gemini.google.com',
      'referral',
      'AI Assistant',
    ],
    ['that is web mail', from('https://mail.google.com/mail/u/0/'), 'mail.google.com', 'email', 'Email'],
    ['that is another site', from('https://blog.example/post'), 'blog.example', 'referral', 'Referral'],
    ['of the page’s own host is none', from('https://shop.example/cart'), ...none],
    ['of the page’s own host with www. is none', from('https://WWW.shop.example/'), ...none],
    ['of the page’s own host on another port is none', from('http://shop.example:8080/'), ...none],
    [
      'of another host of that domain is one',
      from('https://blog.shop.example/'),
      'blog.shop.example',
      'referral',
      'Referral',
    ],
    ['paypal.com is none', from('https://www.paypal.com/pay'), ...none],
    ['checkout.stripe.com is none', from('https://checkout.stripe.com/c/pay'), ...none],
    ['klarna.com is none, nor what is below', from('https://pay.klarna.com/'), ...none],
    ['pay.google.com is none', from('https://pay.google.com/'), ...none],
    ['accounts.google.com is none', from('https://accounts.google.com/signin'), ...none],
    ['appleid.apple.com is none', from('https://appleid.apple.com/auth'), ...none],
    [
      'of an app',
      from('android-app://com.google.android.googlequicksearchbox/https/www.google.com'),
      'google',
      'organic',
      'Organic Search',
    ],
    [
      'of a social app',
      from('android-app://com.facebook.katana/'),
      'com.facebook.katana',
      'referral',
      'Organic Social',
    ],
    ['of a mail app', from('android-app://com.google.android.gm'), 'com.google.android.gm', 'email', 'Email'],
    [
      'of an unknown app',
      from('android-app://org.example.reader/'),
      'org.example.reader',
      'referral',
      'Referral',
    ],
    ['in capitals', from('HTTPS://WWW.FACEBOOK.COM/'), 'facebook.com', 'referral', 'Organic Social'],
    ['with a port', from('https://blog.example:8443/'), 'blog.example', 'referral', 'Referral'],
    [
      'with the dot of the root',
      from('https://www.facebook.com./'),
      'facebook.com',
      'referral',
      'Organic Social',
    ],
    [
      'with a name and password',
      from('https://ada:secret@blog.example/'),
      'blog.example',
      'referral',
      'Referral',
    ],
    ['in punycode', from('https://xn--mller-kva.example/'), 'xn--mller-kva.example', 'referral', 'Referral'],
    ['that is an address', from('http://[2001:db8::1]:3000/x'), '[2001:db8::1]', 'referral', 'Referral'],
    ['without a host is none', from('about:blank'), ...none],
    ['that is empty is none', from(''), ...none],
    ['that is no address is none', from('facebook'), ...none],
    ['that is a file is none', from('file:///home/ada/page.html'), ...none],
  ];
  const { rowsOf } = useCases(casesOf(rows));
  test.each(rows)('%s', (who, _, source, medium, channel) => {
    expect(rowsOf('sessions', who)).toMatchObject([{ source, medium, channel }]);
  });
});

describe('hosts that the site says are no referrer', () => {
  const from = (referrer: string): JsonObject => page('', referrer);
  const rows: [string, JsonObject, string][] = [
    ['its own', from('https://blog.example/'), '(direct)'],
    ['subdomains of its own', from('https://de.help.blog.example/'), '(direct)'],
    ['excluded ones', from('https://www.bank.example/3ds'), '(direct)'],
    ['subdomains of excluded ones', from('https://acs.bank.example/'), '(direct)'],
    ['but not what ends alike', from('https://myblog.example/'), 'myblog.example'],
    ['but not what begins alike', from('https://bank.example.org/'), 'bank.example.org'],
    ['and the shipped ones still', from('https://www.paypal.com/'), '(direct)'],
  ];
  const { rowsOf } = useCases(casesOf(rows), {
    own_hosts: ['blog.example'],
    excluded_referrers: ['bank.example'],
  });
  test.each(rows)('%s', (who, _, source) => {
    expect(rowsOf('sessions', who)).toMatchObject([{ source }]);
  });
});

describe('Google’s default channel group: the first rule that holds gives the channel', () => {
  const rows: [string, string | null, string | null, string?][] = [
    ['Direct', '(direct)', '(none)'],
    ['Direct', '(direct)', '(not set)'],
    ['Direct', null, '(none)'],
    ['Direct', null, null, 'may'], // neither source nor medium
    ['Cross-network', 'google', 'cpc', 'Cross-Network summer'],
    ['Cross-network', 'x', 'y', 'my cross-network'],
    ['Paid Shopping', 'amazon.com', 'cpc'],
    ['Paid Shopping', 'igshopping', 'paid'],
    ['Paid Shopping', 'google', 'cpc', 'shop'],
    ['Paid Shopping', 'google', 'ppc', 'Spring Shopping'],
    ['Paid Search', 'google', 'cpc', 'workshop'], // a letter before `shop` but e, k … is no shop
    ['Paid Shopping', 'google', 'cpc', 'eshop'],
    ['Paid Search', 'google', 'cpc'],
    ['Paid Search', 'Google', 'CPC'],
    ['Paid Search', 'bing', 'paidsearch'],
    ['Paid Search', 'google', 'cpm'], // before Display
    ['Paid Search', 'google', 'retargeting'],
    ['Paid Social', 'facebook', 'cpc'],
    ['Paid Social', 'l.instagram.com', 'paid_social'],
    ['Paid Video', 'youtube.com', 'cpv-cpm'],
    ['Paid Video', 'youtube', 'ppc'],
    ['Display', 'adnetwork', 'display'],
    ['Display', 'adnetwork', 'banner'],
    ['Display', 'adnetwork', 'expandable'],
    ['Display', 'adnetwork', 'interstitial'],
    ['Display', 'adnetwork', 'cpm'], // before Paid Other
    ['Paid Other', 'adnetwork', 'cpc'],
    ['Paid Other', 'adnetwork', 'paid'],
    ['Paid Other', 'adnetwork', 'retargeting'],
    ['Paid Other', 'chatgpt.com', 'cpc'], // the assistants come after the paid rules
    ['AI Assistant', 'chatgpt.com', null],
    ['AI Assistant', 'perplexity.ai', 'referral'], // and before Referral
    ['AI Assistant', 'https://chatgpt.com/', 'link'],
    ['AI Assistant', 'www.Claude.ai', null],
    ['AI Assistant', 'chatgpt', 'ai'],
    ['Organic Shopping', 'etsy.com', 'referral'],
    ['Organic Shopping', 'news', 'email', 'shop'],
    ['Organic Social', 'reddit.com', 'referral'],
    ['Organic Social', 'x', 'social'],
    ['Organic Social', 'x', 'social-network'],
    ['Organic Social', 'x', 'social-media'],
    ['Organic Social', 'x', 'sm'],
    ['Organic Social', 'x', 'social network'],
    ['Organic Social', 'x', 'Social Media'],
    ['Unassigned', 'x', 'socialmedia'],
    ['Organic Video', 'vimeo.com', 'referral'],
    ['Organic Video', 'x', 'my-video-campaign'],
    ['Organic Search', 'google', 'referral'],
    ['Organic Search', 'x', 'organic'],
    ['Unassigned', 'x', 'organic-search'],
    ['Referral', 'blog.example', 'referral'],
    ['Referral', 'blog.example', 'app'],
    ['Referral', 'blog.example', 'link'],
    ['Referral', 'email', 'referral'], // before Email
    ['Email', 'email', null],
    ['Email', 'e-mail', 'x'],
    ['Email', 'news', 'e_mail'],
    ['Email', 'news', 'e mail'],
    ['Email', 'news', 'EMAIL'],
    ['Unassigned', 'news', 'emailing'],
    ['Affiliates', 'awin', 'affiliate'],
    ['Unassigned', 'awin', 'affiliates'],
    ['Audio', 'podcast', 'audio'],
    ['SMS', 'sms', 'x'],
    ['SMS', 'x', 'sms'],
    ['Mobile Push Notifications', 'x', 'web-push'],
    ['Mobile Push Notifications', 'x', 'mobile'],
    ['Mobile Push Notifications', 'x', 'app notification'],
    ['Mobile Push Notifications', 'firebase', 'x'],
    ['Unassigned', 'x', 'pushed'],
    ['Unassigned', 'x', 'y'],
    ['Unassigned', 'x', null],
  ];
  const cases = rows.map(([channel, source, medium, name]) => ({
    who: [channel, source, medium, name].join(' / '),
    context: tagged(source, medium, name),
    channel,
  }));
  const { rowsOf } = useCases(cases.map(({ who, context }) => ({ who, touchpoints: [{ at, context }] })));
  test.each(cases)('$who', ({ who, channel }) => {
    expect(rowsOf('sessions', who)).toMatchObject([{ channel }]);
  });
});

describe('what happened outside sessions', () => {
  const away = (
    source: 'store' | 'phone' | 'support' | 'event' | 'email' | 'server',
    context?: JsonObject,
  ) => ({
    at,
    source,
    is_trusted: true,
    ...(context && { context }),
  });
  const rows = [
    ['in a store', away('store'), 'In Store'],
    ['by phone', away('phone'), 'Phone'],
    ['at support', away('support'), 'Support'],
    ['at an event', away('event'), 'Event'],
    ['in a mail', away('email'), 'Email'],
    ['at a server', away('server'), 'Unassigned'],
    ['at a server that passes on a campaign', away('server', tagged('google', 'cpc')), 'Paid Search'],
    ['in a store, whatever campaign it names', away('store', tagged('google', 'cpc')), 'In Store'],
  ] as const;
  const { rowsOf } = useCases(rows.map(([who, touchpoint]) => ({ who, touchpoints: [touchpoint] })));
  test.each(rows)('%s', (who, _, channel) => {
    expect(rowsOf('sessions', who)).toEqual([]);
    expect(rowsOf('persons', who)).toMatchObject([{ first_channel: channel }]);
  });
});

describe('the lists', () => {
  const rowsIn = (file: string): string[][] =>
    readFileSync(new URL(`../../../../tools/source-lists/${file}`, import.meta.url), 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(','));
  const refused = new Set(
    rowsIn('own.csv').flatMap(([source, kind]) => (kind === 'payment' ? [source] : [])),
  );
  const channels: Record<string, string> = {
    SOURCE_CATEGORY_SEARCH: 'Organic Search',
    SOURCE_CATEGORY_SHOPPING: 'Organic Shopping',
    SOURCE_CATEGORY_SOCIAL: 'Organic Social',
    SOURCE_CATEGORY_VIDEO: 'Organic Video',
    search: 'Organic Search',
    social: 'Organic Social',
    ai_assistant: 'AI Assistant',
  };

  async function channelsOf(sources: string[], how: 'tagged' | 'referred'): Promise<Record<string, string>> {
    const { rows } = await database.pool.query<{ source: string; channel: string }>(
      `select given.source, (case when $2 then store.traffic_by(0, jsonb_build_object('source', given.source), null, 'web')
         else store.traffic_by(0, null, store.host_of('https://' || given.source || '/'), 'web') end).channel
       from unnest($1::text[]) as given (source)`,
      [sources, how === 'tagged'],
    );
    return Object.fromEntries(rows.map(({ source, channel }) => [source, channel]));
  }

  test('every source that Google names is of its kind', async () => {
    const listed = rowsIn('ga4.csv').filter(([source]) => !refused.has(source));
    const expected = Object.fromEntries(listed.map(([source, kind]) => [source!, channels[kind!]!]));
    expect(await channelsOf(Object.keys(expected), 'tagged')).toEqual(expected);
    const hosts = Object.entries(expected).filter(([source]) => source.includes('.'));
    expect(
      await channelsOf(
        hosts.map(([host]) => host),
        'referred',
      ),
    ).toEqual(Object.fromEntries(hosts));
  });

  test('every host that Matomo names is of its kind, but where Google or Milepost say otherwise', async () => {
    const said = new Set([...rowsIn('ga4.csv'), ...rowsIn('own.csv')].map(([source]) => source));
    const assistants = new Set(
      rowsIn('matomo.csv').flatMap(([host, kind]) => (kind === 'ai_assistant' ? [host] : [])),
    );
    const listed = rowsIn('matomo.csv').filter(
      ([host, kind]) =>
        !host!.includes('/') &&
        !said.has(host!.replace(/^www\./, '')) &&
        !(kind !== 'ai_assistant' && assistants.has(host!.replace(/^www\./, ''))),
    );
    const expected = Object.fromEntries(
      listed.map(([host, kind]) => [
        host!
          .replace(/^\{\}/, 'de')
          .replace(/\.\{\}$/, '.co.uk')
          .replace('{}', 'uk'),
        channels[kind!]!,
      ]),
    );
    expect(Object.keys(expected).length).toBeGreaterThan(750);
    expect(await channelsOf(Object.keys(expected), 'referred')).toEqual(expected);
  });

  test('Milepost’s own list fills gaps and says nothing against Google’s, but for who is no referrer', () => {
    const google = new Set(rowsIn('ga4.csv').map(([source]) => source));
    const own = rowsIn('own.csv').filter(([, kind]) => kind !== 'payment');
    expect(own.filter(([source]) => google.has(source))).toEqual([]);
  });
});

describe('a site’s own channels', () => {
  const { given, siteId, rowsOf } = useSite();
  const come = async (...contexts: JsonObject[]): Promise<unknown[]> => {
    await given.touchpoints(contexts.map((context, index) => ({ anonymous_id: `v${index}`, at, context })));
    const rows = await rowsOf('sessions');
    return rows
      .sort((a, b) => (String(a['visitor_id']) < String(b['visitor_id']) ? -1 : 1))
      .map(({ channel }) => channel);
  };
  const set = (channels: ChannelsDocument): Promise<void> =>
    setChannels(database.pool, { siteId: siteId(), channels });
  const partners: ChannelsDocument['rules'][number] = {
    channel: 'Partners',
    sources: ['Partner'],
    source_pattern: '^partner[.]',
    match: 'any',
  };

  test('are tried before the default ones, first match wins', async () => {
    await set({
      rules: [
        { channel: 'Brand Search', category: 'search', campaign_pattern: 'brand', match: 'all' },
        partners,
        { channel: 'Partner Mail', mediums: ['email'], source_pattern: 'partner', match: 'all' },
      ],
      default_rules: 'after',
    });
    expect(
      await come(
        tagged('google', 'cpc', 'Our BRAND'),
        tagged('google', 'cpc', 'boots'),
        tagged('PARTNER', 'email'),
        tagged('big-partner', 'email'),
        page('', 'https://partner.example/'),
        page(''),
      ),
    ).toEqual(['Brand Search', 'Paid Search', 'Partners', 'Partner Mail', 'Partners', 'Direct']);
  });

  test('may stand in place of the default ones', async () => {
    await set({ rules: [partners], default_rules: 'none' });
    expect(await come(tagged('partner', 'cpc'), tagged('google', 'cpc'), page(''))).toEqual([
      'Partners',
      'Unassigned',
      'Unassigned',
    ]);
  });

  test('reach campaigns, mediums and categories, by list and by pattern', async () => {
    await set({
      rules: [
        { channel: 'One', campaigns: ['Sale 1', 'sale 2'], match: 'all' },
        { channel: 'Two', medium_pattern: '^(?!email$).*mail', match: 'all' },
        { channel: 'Three', category: 'assistant', match: 'all' },
        { channel: 'Four', category: 'mail', match: 'all' },
      ],
      default_rules: 'after',
    });
    expect(
      await come(
        tagged('a', 'b', 'SALE 2'),
        tagged('a', 'directmail'),
        page('', 'https://claude.ai/'),
        page('', 'https://mail.google.com/'),
        tagged('a', 'email'),
      ),
    ).toEqual(['One', 'Two', 'Three', 'Four', 'Email']);
  });

  test('leave offline channels as they are', async () => {
    await set({ rules: [{ channel: 'All', source_pattern: '', match: 'all' }], default_rules: 'none' });
    await given.touchpoints([{ anonymous_id: 'v1', at, source: 'store', is_trusted: true }]);
    expect(await rowsOf('touchpoints')).toMatchObject([{ channel: 'In Store' }]);
  });

  test('are what verify goes by', async () => {
    await set({ rules: [partners], default_rules: 'after' });
    expect(await come(tagged('partner', 'cpc'))).toEqual(['Partners']);
    await expectVerified(database.pool);
  });

  test('apply to the whole history once it is derived again: sessions, first channels and days', async () => {
    expect(await come(tagged('partner', 'cpc'), page(''))).toEqual(['Paid Other', 'Direct']);
    await set({ rules: [partners], default_rules: 'after' });
    expect((await rowsOf('sessions')).map(({ channel }) => channel)).toContain('Paid Other');
    await rebuild(database.pool);
    await given.asOf('2026-01-05T10:05Z'); // compared with the reference model
    expect(new Set((await rowsOf('conversion_metrics')).map(({ channel }) => channel))).toEqual(
      new Set(['Partners', 'Direct']),
    );
    await expectVerified(database.pool);
  });

  test('are derived again under the latest of several changes', async () => {
    expect(await come(tagged('partner', 'cpc'))).toEqual(['Paid Other']);
    await set({ rules: [partners], default_rules: 'after' });
    await set({ rules: [{ ...partners, channel: 'Friends' }], default_rules: 'after' });
    const { rows: waiting } = await database.pool.query(
      'select settings, phase from store.rederivations where site_id = $1',
      [siteId()],
    );
    expect(waiting).toEqual([{ settings: { channels_version: 2 }, phase: 'waiting' }]);
    await rebuild(database.pool, { siteId: siteId() });
    await given.asOf('2026-01-05T10:05Z'); // compared with the reference model
    expect(await rowsOf('sessions')).toMatchObject([{ channel: 'Friends' }]);
    expect(await rowsOf('persons')).toMatchObject([{ first_channel: 'Friends' }]);
  });

  test('are gone once reset', async () => {
    await set({ rules: [partners], default_rules: 'none' });
    await resetChannels(database.pool, siteId());
    expect(await come(tagged('partner', 'cpc'), page(''))).toEqual(['Paid Other', 'Direct']);
  });

  test('are refused by the name of the rule whose pattern cannot be read', async () => {
    const refused = set({
      rules: [partners, { channel: 'Odd', medium_pattern: '(', match: 'all' }],
      default_rules: 'after',
    });
    await expect(refused).rejects.toThrow(/rule 2 \(Odd\), medium_pattern: parentheses/);
  });
});
