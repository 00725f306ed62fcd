import type { Settings, Touchpoint } from './inputs.ts';
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

/** A handful of hosts of each kind: all that the tests use. The product reads whole lists. */
const searchSites = ['google', 'bing', 'duckduckgo', 'google.com', 'bing.com', 'duckduckgo.com'];
const socialSites = [
  'facebook',
  'tiktok',
  'twitter',
  'linkedin',
  'facebook.com',
  'instagram.com',
  'reddit.com',
];
const videoSites = ['youtube', 'youtube.com', 'vimeo.com'];
const assistants = ['chatgpt.com', 'perplexity.ai', 'claude.ai'];

/** What a touchpoint says of a campaign, key by key; empty when it says nothing. */
export function campaignOf(touchpoint: Touchpoint): Record<string, string> {
  const campaign = objectIn(touchpoint.context, 'campaign');
  const page = objectIn(touchpoint.context, 'page');
  const url = textIn(page, 'url');
  const search = textIn(page, 'search') ?? (url?.includes('?') ? url.slice(url.indexOf('?')) : '');
  const query = new URLSearchParams(search);
  const said: Record<string, string> = {};
  const say = (key: string, value: string | null): void => {
    if (value !== null && value !== '') said[key] = value;
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

/** UTM parameters, else click ids, else the referrer, else direct. */
export function originOf(touchpoint: Touchpoint, settings: Settings): Origin {
  const said = campaignOf(touchpoint);
  if (said['source'] ?? said['medium'] ?? said['campaign'] ?? said['id']) {
    return {
      source: said['source'] ?? null,
      medium: said['medium'] ?? null,
      campaign: said['campaign'] ?? null,
    };
  }
  const clickId = Object.keys(clickIds).find((key) => said[key] !== undefined);
  if (clickId) return clickIds[clickId]!;
  const host = referrerHostOf(touchpoint, settings);
  if (host === null) return { source: '(direct)', medium: '(none)', campaign: null };
  if (searchSites.includes(host)) return { source: host.split('.')[0]!, medium: 'organic', campaign: null };
  return { source: host, medium: 'referral', campaign: null };
}

function referrerHostOf(touchpoint: Touchpoint, settings: Settings): string | null {
  const page = objectIn(touchpoint.context, 'page');
  const host = hostOf(textIn(page, 'referrer'));
  if (host === null || host === hostOf(textIn(page, 'url')) || settings.own_hosts.includes(host)) return null;
  if (['paypal.com', 'checkout.stripe.com', 'klarna.com', 'accounts.google.com'].includes(host)) return null;
  return host;
}

function hostOf(url: string | null): string | null {
  if (url === null || !URL.canParse(url)) return null;
  return new URL(url).hostname.replace(/^www\./, '');
}

/** GA4's default channel grouping in its order, then AI Assistant before Referral. */
export function channelOf({ source, medium, campaign }: Origin): string {
  const [from, by, named] = [source, medium, campaign].map((text) => (text ?? '').toLowerCase()) as [
    string,
    string,
    string,
  ];
  const isPaid = /^(.*cp.*|ppc|retargeting|paid.*)$/.test(by);
  const isShopping = /^(.*(([^a-df-z]|^)shop|shopping).*)$/.test(named);
  const mail = ['email', 'e-mail', 'e_mail', 'e mail'];
  if (['', '(direct)'].includes(from) && ['', '(none)', '(not set)'].includes(by) && named === '')
    return 'Direct';
  if (named.includes('cross-network')) return 'Cross-network';
  if (isShopping && isPaid) return 'Paid Shopping';
  if (searchSites.includes(from) && isPaid) return 'Paid Search';
  if (socialSites.includes(from) && isPaid) return 'Paid Social';
  if (videoSites.includes(from) && isPaid) return 'Paid Video';
  if (['display', 'banner', 'expandable', 'interstitial', 'cpm'].includes(by)) return 'Display';
  if (isPaid) return 'Paid Other';
  if (isShopping) return 'Organic Shopping';
  if (socialSites.includes(from)) return 'Organic Social';
  if (['social', 'social-network', 'social-media', 'sm', 'social network', 'social media'].includes(by)) {
    return 'Organic Social';
  }
  if (videoSites.includes(from) || /^(.*video.*)$/.test(by)) return 'Organic Video';
  if (searchSites.includes(from) || by === 'organic') return 'Organic Search';
  if (assistants.includes(from)) return 'AI Assistant';
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
  if (touchpoint.source === 'email') return 'Email';
  const channel = channelOf(originOf(touchpoint, settings));
  // A server says nothing of where somebody came from, unless it passes it on.
  return touchpoint.source === 'server' && channel === 'Direct' ? 'Unassigned' : channel;
}
