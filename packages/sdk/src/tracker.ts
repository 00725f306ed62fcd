import type { Touchpoint } from '@milepost/shared/touchpoint';
import { commerceOf, type Commerce } from './commerce.ts';
import { arrivalOf, deviceTypeOf } from './context.ts';
import { createEngagement } from './engagement.ts';
import { uuidSource } from './ids.ts';
import { createOutbox } from './outbox.ts';
import { createSender } from './sender.ts';
import { attempt, createStore } from './storage.ts';
import { version } from './version.ts';
import { createVisitor } from './visitor.ts';

/** An answer to the question of consent. `pending`: kept in memory until it is answered. */
export type ConsentState = 'granted' | 'denied' | 'pending';
/** One answer for everything, or one for each purpose. Without `analytics: 'granted'` nothing is stored or sent. */
export type Consent = ConsentState | { analytics: ConsentState; marketing?: ConsentState };

/** How a tracker is set up. Only `writeKey` has to be given. */
export type TrackerOptions = {
  /** The site's public key, `wk_…`. */
  writeKey: string;
  /** Where the collector is, e.g. `https://collect.shop.example`. Default: the page's own origin. */
  host?: string;
  /** The whole address to send to, where a proxy gives it another path. Default: `host` + `/v1/events`. */
  endpoint?: string;
  /** What holds until the visitor has answered. Default: `granted`. An answer given by `consent()` is remembered. */
  consent?: Consent;
  /** Whether Global Privacy Control and Do Not Track mean that nothing is recorded. Default: `honour`. */
  privacySignals?: 'honour' | 'ignore';
  /** `auto` (default) records a page view at the start and at each change of path or query; `manual` only by `page()`. */
  pageViews?: 'auto' | 'manual';
  /** Domain of the visitor's cookie, e.g. `.shop.example` to know a visitor on all subdomains. Default: this host. */
  cookieDomain?: string;
  /** The clock, in milliseconds since 1970. Default: `Date.now`. */
  now?: () => number;
};

type Free = Record<string, unknown>;

/** What a page calls. No call ever throws into the page; what is lost is counted and reported. */
export type Tracker = Commerce & {
  /** Records something that happened. Written to the durable queue before it returns. */
  track(name: string, properties?: Free): void;
  /** Records a page view. Only needed with `pageViews: 'manual'`. */
  page(properties?: Free): void;
  /** Says who the visitor is, from now on and for what came before. */
  identify(userId: string | number, traits?: Free, options?: { proof?: string }): void;
  /** Says to which account (organisation) the visitor belongs. */
  group(accountId: string | number, traits?: Free): void;
  /** Forgets user and account and becomes a new visitor, e.g. after a logout at a shared device. */
  reset(): void;
  /** Takes the visitor's answer, and remembers it. `denied` removes everything that was kept in the browser. */
  consent(answer: Consent): void;
  /**
   * Sends what is queued. Resolves when the collector has answered, or after `timeoutMs` (default 5,000).
   * Never rejects: what could not be sent stays queued.
   */
  flush(timeoutMs?: number): Promise<void>;
};

declare global {
  interface Navigator {
    readonly globalPrivacyControl?: boolean;
  }
  interface Document {
    readonly prerendering?: boolean;
  }
}

const userKey = 'milepost.user';
const accountKey = 'milepost.account';
const consentKey = 'milepost.consent';

/**
 * Starts tracking. One tracker a page; a second one with the same key would record every page view twice.
 * Under a server (no `document`) it records what it is told, in memory.
 */
export function createTracker(options: TrackerOptions): Tracker {
  const { writeKey, host = '', cookieDomain, now = Date.now } = options;
  const page = globalThis.document;
  const browser = globalThis.navigator;
  const warned = new Set<string>();
  const warn = (text: string) => {
    if (!warned.has(text)) console.warn(`milepost: ${text}`);
    warned.add(text);
  };

  const store = createStore(() => localStorage);
  const uuid = uuidSource((words) => crypto.getRandomValues(words));
  const visitor = createVisitor(store, () => uuid(now()), cookieDomain);

  const isRefused =
    options.privacySignals !== 'ignore' && (browser?.globalPrivacyControl || browser?.doNotTrack === '1');
  const remembered = attempt(() => JSON.parse(localStorage.getItem(consentKey)!)) as
    | Consent
    | null
    | undefined;
  let answer = remembered ?? options.consent;
  const state = () =>
    isRefused ? 'denied' : ((answer as { analytics?: ConsentState })?.analytics ?? answer ?? 'granted');

  const outbox = createOutbox({ store, writeKey, now });
  const sender = createSender({
    endpoint: options.endpoint ?? `${host}/v1/events`,
    writeKey,
    store,
    outbox,
    now,
    canSend: () => state() === 'granted' && !isPrerendering(),
    warn,
  });
  const engagement = createEngagement(
    () => performance.now(),
    () => page?.visibilityState === 'visible' && page.hasFocus(),
  );

  const isPrerendering = () => !!page?.prerendering;

  const userAgent = browser?.userAgent ?? '';
  const surroundings = {
    library: { name: '@milepost/sdk', version },
    device: page && { type: deviceTypeOf(userAgent, browser.maxTouchPoints) },
    userAgent: page && userAgent,
    locale: browser?.language,
    timezone: attempt(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
  };
  let referrer = page?.referrer;
  // what follows the hash is the page's own business, and sometimes a secret
  const pageNow = () =>
    page && { url: location.href.split('#')[0]!, path: location.pathname, title: page.title, referrer };
  let lastPage = pageNow();

  function add(
    event: Partial<Touchpoint>,
    context: object = { ...arrivalOf(page ? location.search : ''), page: pageNow() },
  ) {
    if (state() === 'denied') return;
    // nobody has seen the page yet; when somebody does, it happens then
    if (isPrerendering())
      return page.addEventListener('prerenderingchange', () => add(event), { once: true });
    const time = now();
    const id = uuid(time);
    outbox.add(id, {
      id,
      occurred_at: new Date(time).toISOString(),
      // a server is nobody's browser
      ...(page ? { anonymous_id: visitor.id() } : { source: 'server' }),
      user_id: store.get(userKey),
      account_id: store.get(accountKey),
      ...event,
      context: { ...surroundings, consent: answer, ...context },
    });
    sender.wake();
  }

  const track = (name: string, properties?: Free) => {
    if (name) add({ name, properties });
    else warn('track needs a name');
  };

  function reportEngagement() {
    const engaged = engagement.take();
    if (engaged)
      add({ name: 'user_engagement', properties: { engagement_time_msec: engaged } }, { page: lastPage });
  }

  function viewPage(properties?: Free) {
    reportEngagement();
    lastPage = pageNow();
    add({ type: 'page', properties });
  }

  function begin() {
    store.makeDurable();
    visitor.keep();
    sender.wake();
  }

  const tracker: Tracker = {
    ...commerceOf(track),
    track,
    page: viewPage,
    identify(userId, traits, options) {
      if (!userId) return warn('identify needs a user id');
      store.set(userKey, String(userId));
      add({ type: 'identify', traits, user_proof: options?.proof });
    },
    group(accountId, traits) {
      if (!accountId) return warn('group needs an account id');
      store.set(accountKey, String(accountId));
      add({ type: 'group', traits });
    },
    reset() {
      store.remove(userKey);
      store.remove(accountKey);
      visitor.renew();
    },
    consent(given) {
      answer = given;
      if (state() === 'granted') begin();
      else if (state() === 'denied') {
        store.wipe('milepost.');
        visitor.forget();
        outbox.own.clear();
      }
      attempt(() => localStorage.setItem(consentKey, JSON.stringify(given)));
    },
    flush: (timeoutMs) => sender.flush(timeoutMs),
  };

  if (!writeKey) warn('writeKey is missing');
  if (state() === 'granted') begin();
  if (page) {
    const hide = () => {
      reportEngagement();
      sender.sendNow();
    };
    addEventListener('pagehide', hide);
    page.addEventListener('visibilitychange', () => {
      if (page.visibilityState === 'hidden') return hide();
      engagement.update();
      sender.wake();
    });
    page.addEventListener('prerenderingchange', () => sender.wake());
    for (const type of ['focus', 'blur']) addEventListener(type, () => engagement.update());
    addEventListener('online', () => sender.retry());
    if (options.pageViews !== 'manual') watchPages();
    engagement.update();
  }

  function watchPages() {
    // routers set the title after the address, and often redirect at once: look when they have finished
    const look = () =>
      setTimeout(() => {
        if (pageNow().url === lastPage.url) return;
        referrer = lastPage.url;
        viewPage();
      });
    for (const name of ['pushState', 'replaceState'] as const) {
      const original = history[name];
      history[name] = function (...state) {
        original.apply(this, state);
        look();
      };
    }
    addEventListener('popstate', look);
    // back from the browser's back/forward cache: the visitor sees the page again
    addEventListener('pageshow', (event) => event.persisted && viewPage());
    viewPage();
  }

  // whatever goes wrong in here is ours, not the page's
  for (const name in tracker) {
    const method = tracker[name as 'page'] as (...values: unknown[]) => unknown;
    tracker[name as 'page'] = (...values) => {
      try {
        return method(...values) as void;
      } catch (error) {
        warn(String(error));
      }
    };
  }
  return tracker;
}
