import { version } from './version.ts';

/** Where a visit came from, as the page's address says. */
export type Arrival = { campaign?: Record<string, string>; click_ids?: Record<string, string> };

/** Reads UTM parameters and the click ids of advertising networks from a query string. Empty ones count as absent. */
export function arrivalOf(search: string): Arrival {
  const arrival: Arrival = {};
  if (!search) return arrival;
  new URLSearchParams(search).forEach((value, key) => {
    const name = key.toLowerCase();
    const campaignKey = /^utm_(source|medium|campaign|term|content|id)$/.exec(name)?.[1];
    if (!value) return;
    if (campaignKey) (arrival.campaign ??= {})[campaignKey === 'campaign' ? 'name' : campaignKey] = value;
    else if (/^(([gdy]|fb|tt|tw)clid|msclkid|[gw]braid|li_fat_id|sccid|rdt_cid|epik)$/.test(name)) {
      (arrival.click_ids ??= {})[name] = value;
    }
  });
  return arrival;
}

declare global {
  var Temporal: { Now: { timeZoneId(): string } } | undefined;
}

/** Phone, tablet or desktop, by the user agent. An iPad calls itself a Macintosh, but has a touch screen. */
export function deviceTypeOf(userAgent: string, touchPoints: number): 'mobile' | 'tablet' | 'desktop' {
  if (/iPad|Tablet|Android(?!.*Mobile)/i.test(userAgent) || (/Macintosh/.test(userAgent) && touchPoints > 1))
    return 'tablet';
  return /Mobi/i.test(userAgent) ? 'mobile' : 'desktop';
}

/** What is the same for every touchpoint of a page; without a page, of a process. */
export function surroundingsOf(page: Document | undefined) {
  const library = { name: '@milepost/sdk', version };
  if (!page) return { library };
  const { userAgent, maxTouchPoints, language } = navigator;
  return {
    library,
    device: { type: deviceTypeOf(userAgent, maxTouchPoints) },
    userAgent,
    locale: language,
    // asking Intl costs a slow device 100 ms
    timezone: globalThis.Temporal?.Now.timeZoneId() ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}

/** Which page a touchpoint happened on. */
export type PageContext = { url: string; path: string; title: string; referrer: string };

/** The page as it is now. What follows the hash is the page's own business, and sometimes a secret. */
export function pageOf(referrer: string): PageContext {
  return { url: location.href.split('#')[0]!, path: location.pathname, title: document.title, referrer };
}
