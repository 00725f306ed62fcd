import type { ChannelRule, Settings, Touchpoint } from './inputs.ts';
import { objectIn, textIn } from './properties.ts';

/** Where a touchpoint says it came from. */
export type Origin = { source: string | null; medium: string | null; campaign: string | null };

const clickIds: Record<string, Origin> = {
  gclid: { source: 'google', medium: 'cpc', campaign: null },
  gbraid: { source: 'google', medium: 'cpc', campaign: null },
  wbraid: { source: 'google', medium: 'cpc', campaign: null },
  dclid: { source: 'google', medium: 'cpc', campaign: null },
  msclkid: { source: 'bing', medium: 'cpc', campaign: null },
  fbclid: { source: 'facebook', medium: 'social', campaign: null },
  ttclid: { source: 'tiktok', medium: 'social', campaign: null },
  twclid: { source: 'twitter', medium: 'social', campaign: null },
  li_fat_id: { source: 'linkedin', medium: 'social', campaign: null },
};

type Kind = 'search' | 'shopping' | 'social' | 'video' | 'assistant' | 'mail' | 'payment';

/** A handful of each kind: all that the tests use, with their subdomains. The product reads whole lists. */
const sites: Record<Exclude<Kind, 'search'>, string[]> = {
  payment: [
    'paypal.com',
    'checkout.stripe.com',
    'klarna.com',
    'pay.google.com',
    'accounts.google.com',
    'appleid.apple.com',
  ],
  assistant: [
    'chatgpt.com',
    'chatgpt',
    'perplexity.ai',
    'claude.ai',
    'gemini.google.com',
    'copilot.microsoft.com',
  ],
  mail: ['mail.google.com', 'mail.yahoo.com', 'outlook.live.com', 'com.google.android.gm'],
  social:
    `facebook facebook.com com.facebook.katana instagram instagram.com twitter t.co x.com tiktok linkedin
    linkedin.com reddit.com pinterest.com mastodon.social`.split(/\s+/),
  video: ['youtube', 'youtube.com', 'youtu.be', 'vimeo.com', 'twitch.tv'],
  shopping: [
    'amazon',
    'amazon.com',
    'amazon.co.uk',
    'amazon.de',
    'ebay.com',
    'etsy.com',
    'shopify.com',
    'igshopping',
  ],
};

/** Search engines by the name they have as a source. What else lives under Google or Yahoo is no search. */
const engines: [string, RegExp][] = [
  [
    'google',
    /^(?:google|(?:news\.|images\.)?google\.(?:com|[a-z]{2}|com?\.[a-z]{2})|com\.google\.android\.googlequicksearchbox)$/,
  ],
  ['bing', /^(?:bing|(?:.+\.)?bing\.com)$/],
  ['yahoo', /^(?:yahoo|(?:(?:[a-z]{2}\.|r\.)?search\.)?yahoo\.com)$/],
  ['duckduckgo', /^(?:duckduckgo|(?:.+\.)?duckduckgo\.com)$/],
  ['yandex', /^(?:yandex|yandex\.(?:com|ru|kz))$/],
  ['ecosia', /^ecosia\.org$/],
];

function isAmong(host: string, hosts: string[]): boolean {
  return hosts.some((one) => host === one || host.endsWith(`.${one}`));
}

function kindOf(source: string): Kind | null {
  if (isAmong(source, sites.payment)) return 'payment';
  if (engines.some(([, hosts]) => hosts.test(source))) return 'search';
  const kinds = Object.entries(sites).filter(([, hosts]) => isAmong(source, hosts));
  return (kinds[0]?.[0] as Kind | undefined) ?? null;
}

/** What a touchpoint says of a campaign, key by key; empty when it says nothing. */
export function campaignOf(touchpoint: Touchpoint): Record<string, string> {
  const campaign = objectIn(touchpoint.context, 'campaign');
  const page = objectIn(touchpoint.context, 'page');
  const url = textIn(page, 'url');
  const search = textIn(page, 'search') ?? (url?.includes('?') ? url.slice(url.indexOf('?')) : '');
  const parameters = search
    .replace(/^\?/, '')
    .split('#')[0]!
    .split('&')
    .map((parameter) => {
      const [key, ...value] = parameter.split('=');
      return { key, value: decoded(value.join('=')) };
    });
  const query = {
    get: (key: string): string | null =>
      parameters.find((parameter) => parameter.key === key && parameter.value.trim() !== '')?.value ?? null,
  };
  const said: Record<string, string> = {};
  const say = (key: string, value: string | null): void => {
    const text = value?.trim() ?? '';
    if (text !== '') said[key] = text;
  };
  say('source', textIn(campaign, 'source') ?? query.get('utm_source'));
  say('medium', textIn(campaign, 'medium') ?? query.get('utm_medium'));
  say('campaign', textIn(campaign, 'name') ?? query.get('utm_campaign'));
  say('id', textIn(campaign, 'id') ?? query.get('utm_id'));
  for (const clickId of Object.keys(clickIds)) {
    const given = textIn(campaign, clickId) ?? textIn(objectIn(touchpoint.context, 'click_ids'), clickId);
    say(clickId, given ?? query.get(clickId));
  }
  return said;
}

/** Percent-encoded text, decoded; as it stands where that is no text. */
function decoded(text: string): string {
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced.replace(/%(?![0-9A-Fa-f]{2})/g, '%25'));
  } catch {
    return spaced;
  }
}

/** UTM parameters, else click ids, else the referrer, else direct. An id alone says nothing of where somebody came from. */
export function originOf(touchpoint: Touchpoint, settings: Settings): Origin {
  const said = campaignOf(touchpoint);
  if (said['source'] ?? said['medium'] ?? said['campaign']) {
    return {
      source: cut(said['source']) ?? null,
      medium: cut(said['medium']) ?? null,
      campaign: cut(said['campaign']) ?? null,
    };
  }
  const clickId = Object.keys(clickIds).find((key) => said[key] !== undefined);
  if (clickId) return clickIds[clickId]!;
  const host = referrerHostOf(touchpoint, settings);
  const kind = host === null ? null : kindOf(host);
  if (host === null || kind === 'payment') return { source: '(direct)', medium: '(none)', campaign: null };
  const engine = engines.find(([, hosts]) => hosts.test(host));
  if (kind === 'search') return { source: engine![0], medium: 'organic', campaign: null };
  return { source: host, medium: kind === 'mail' ? 'email' : 'referral', campaign: null };
}

/** The first 200 characters; what PostgreSQL counts as one may be two in a string. */
function cut(text: string | undefined): string | null {
  return text === undefined ? null : Array.from(text).slice(0, 200).join('');
}

function referrerHostOf(touchpoint: Touchpoint, settings: Settings): string | null {
  const page = objectIn(touchpoint.context, 'page');
  const host = hostOf(textIn(page, 'referrer') ?? textIn(touchpoint.context, 'referrer'));
  if (host === null || host === hostOf(textIn(page, 'url'))) return null;
  return isAmong(host, [...settings.own_hosts, ...settings.excluded_referrers]) ? null : host;
}

function hostOf(url: string | null): string | null {
  if (url === null || !URL.canParse(url)) return null;
  // Of schemes it does not know, as android-app, URL leaves the host as it was written.
  const host = new URL(url).hostname
    .toLowerCase()
    .replace(/^www\./, '')
    .replace(/\.+$/, '');
  return host === '' ? null : host;
}

/** In utm_source a host may stand in any form. */
function kindOfSource(source: string): Kind | null {
  const isHost = /^[^\s/]+\.[^\s/]+$/.test(source);
  return kindOf(hostOf(source) ?? (isHost ? hostOf(`https://${source}`) : null) ?? source);
}

type Said = { from: string; by: string; named: string; kind: Kind | null };

/** The site's own rules, then GA4's default channel grouping in its order, with AI Assistant after the paid ones. */
export function channelOf({ source, medium, campaign }: Origin, settings: Settings): string {
  const [from, by, named] = [source, medium, campaign].map((text) => (text ?? '').toLowerCase()) as [
    string,
    string,
    string,
  ];
  const said = { from, by, named, kind: kindOfSource(from) };
  const own = settings.channel_rules.find((rule) => holds(rule, said));
  return own?.channel ?? defaultChannelOf(said);
}

function holds(rule: ChannelRule, { from, by, named, kind }: Said): boolean {
  const matches = (pattern: string, text: string): boolean => new RegExp(pattern, 'i').test(text);
  const found: boolean[] = [];
  if (rule.sources) found.push(rule.sources.includes(from));
  if (rule.source_pattern) found.push(matches(rule.source_pattern, from));
  if (rule.mediums) found.push(rule.mediums.includes(by));
  if (rule.medium_pattern) found.push(matches(rule.medium_pattern, by));
  if (rule.campaigns) found.push(rule.campaigns.includes(named));
  if (rule.campaign_pattern) found.push(matches(rule.campaign_pattern, named));
  if (rule.source_category) found.push(rule.source_category === kind);
  return rule.is_any ? found.includes(true) : !found.includes(false);
}

function defaultChannelOf({ from, by, named, kind }: Said): string {
  const isPaid = /^(.*cp.*|ppc|retargeting|paid.*)$/.test(by);
  const isShopping = kind === 'shopping' || /^(.*(([^a-df-z]|^)shop|shopping).*)$/.test(named);
  const mail = ['email', 'e-mail', 'e_mail', 'e mail'];
  if (['', '(direct)'].includes(from) && ['', '(none)', '(not set)'].includes(by)) return 'Direct';
  if (named.includes('cross-network')) return 'Cross-network';
  if (isShopping && isPaid) return 'Paid Shopping';
  if (kind === 'search' && isPaid) return 'Paid Search';
  if (kind === 'social' && isPaid) return 'Paid Social';
  if (kind === 'video' && isPaid) return 'Paid Video';
  if (['display', 'banner', 'expandable', 'interstitial', 'cpm'].includes(by)) return 'Display';
  if (isPaid) return 'Paid Other';
  if (kind === 'assistant') return 'AI Assistant';
  if (isShopping) return 'Organic Shopping';
  if (kind === 'social') return 'Organic Social';
  if (['social', 'social-network', 'social-media', 'sm', 'social network', 'social media'].includes(by)) {
    return 'Organic Social';
  }
  if (kind === 'video' || /^(.*video.*)$/.test(by)) return 'Organic Video';
  if (kind === 'search' || by === 'organic') return 'Organic Search';
  if (['referral', 'app', 'link'].includes(by)) return 'Referral';
  if (mail.includes(from) || mail.includes(by)) return 'Email';
  if (by === 'affiliate') return 'Affiliates';
  if (by === 'audio') return 'Audio';
  if (from === 'sms' || by === 'sms') return 'SMS';
  if (/push$|mobile|notification/.test(by) || from === 'firebase') return 'Mobile Push Notifications';
  return 'Unassigned';
}

const offline: Record<string, string> = {
  store: 'In Store',
  phone: 'Phone',
  support: 'Support',
  event: 'Event',
};

/** The channel of something that happened in no session. */
export function channelOutsideSessions(touchpoint: Touchpoint, settings: Settings): string {
  const known = offline[touchpoint.source];
  if (known) return known;
  const origin = originOf(touchpoint, settings);
  // A server says nothing of where somebody came from, unless it passes it on; nor does a mail.
  if (origin.source === '(direct)' && touchpoint.source === 'email') return 'Email';
  if (origin.source === '(direct)' && touchpoint.source === 'server') return 'Unassigned';
  return channelOf(origin, settings);
}
