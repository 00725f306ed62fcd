import type { Touchpoint } from '@milepost/shared/touchpoint';
import { commerceOf, type Commerce } from './commerce.ts';
import { analyticsOf, isRecordingRefused, type Consent } from './consent.ts';
import { arrivalOf, pageOf, surroundingsOf } from './context.ts';
import { createEngagement } from './engagement.ts';
import { uuidSource } from './ids.ts';
import { createOutbox } from './outbox.ts';
import { createSender } from './sender.ts';
import { attempt, createStore } from './storage.ts';
import { createVisitor } from './visitor.ts';
import { watchAddress, watchLifecycle } from './watch.ts';

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

const userKey = 'milepost.user';
const accountKey = 'milepost.account';
const consentKey = 'milepost.consent';

/**
 * Starts tracking. One tracker a page; a second one with the same key would record every page view twice.
 * Under a server (no `document`) it records what it is told, in memory.
 */
export function createTracker(options: TrackerOptions): Tracker {
  const { writeKey, host = '', cookieDomain, now = Date.now } = options;
  const page = globalThis.document as Document | undefined;
  const browser = globalThis.navigator;
  const warned = new Set<string>();
  const warn = (text: string) => {
    if (!warned.has(text)) console.warn(`milepost: ${text}`);
    warned.add(text);
  };

  const isRefused = options.privacySignals !== 'ignore' && isRecordingRefused(browser);
  const remembered = attempt(() => JSON.parse(localStorage.getItem(consentKey)!)) as
    | Consent
    | null
    | undefined;
  let answer = remembered ?? options.consent;
  const consentState = () => (isRefused ? 'denied' : analyticsOf(answer));
  const isPrerendering = () => !!page?.prerendering;

  const uuid = uuidSource((words) => crypto.getRandomValues(words));
  const store = createStore(() => localStorage);
  const visitor = createVisitor(store, () => uuid(now()), cookieDomain);
  const outbox = createOutbox({ store, writeKey, now });
  const sender = createSender({
    endpoint: options.endpoint ?? `${host}/v1/events`,
    writeKey,
    store,
    outbox,
    now,
    canSend: () => consentState() === 'granted' && !isPrerendering(),
    warn,
  });
  const engagement = createEngagement(
    () => performance.now(),
    () => page?.visibilityState === 'visible' && page.hasFocus(),
  );

  const surroundings = surroundingsOf(page, browser);
  let referrer = page?.referrer ?? '';
  const pageNow = () => page && pageOf(page, referrer);
  let viewed = pageNow();

  function add(event: Partial<Touchpoint>, place?: object) {
    if (consentState() === 'denied') return;
    // nobody has seen the page yet; when somebody does, it happens then
    if (isPrerendering()) {
      page!.addEventListener('prerenderingchange', () => add(event, place), { once: true });
      return;
    }
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
      context: {
        ...surroundings,
        consent: answer,
        ...(place ?? (page && { ...arrivalOf(location.search), page: pageNow() })),
      },
    });
    sender.wake();
  }

  function track(name: string, properties?: Free) {
    if (name) add({ name, properties });
    else warn('track needs a name');
  }

  /** Engaged time belongs to the page it was spent on, which the address may no longer say. */
  function reportEngagement() {
    const engaged = engagement.take();
    if (engaged) {
      add({ name: 'user_engagement', properties: { engagement_time_msec: engaged } }, { page: viewed });
    }
  }

  function viewPage(properties?: Free) {
    reportEngagement();
    viewed = pageNow();
    add({ type: 'page', properties });
  }

  function beginStoring() {
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
      if (consentState() === 'granted') beginStoring();
      else if (consentState() === 'denied') {
        store.wipe('milepost.');
        visitor.forget();
        outbox.own.clear();
      }
      attempt(() => localStorage.setItem(consentKey, JSON.stringify(given)));
    },
    flush: (timeoutMs) => sender.flush(timeoutMs),
  };

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

  if (!writeKey) warn('writeKey is missing');
  if (consentState() === 'granted') beginStoring();
  if (page) {
    watchLifecycle(page, {
      onHide() {
        reportEngagement();
        sender.sendNow();
      },
      onShow() {
        engagement.update();
        sender.wake();
      },
      onFocus: () => engagement.update(),
      onOnline: () => sender.retry(),
    });
    if (options.pageViews !== 'manual') {
      watchAddress(({ isRestored }) => {
        const isMoved = pageNow()!.url !== viewed!.url;
        if (isMoved) referrer = viewed!.url;
        if (isMoved || isRestored) viewPage();
      });
      viewPage();
    }
    engagement.update();
  }
  return tracker;
}
