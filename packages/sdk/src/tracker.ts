import type { Touchpoint } from '@milepost/shared/touchpoint';
import { commerceOf } from './commerce.ts';
import { analyticsOf, isRecordingRefused, type Consent } from './consent.ts';
import { arrivalOf, pageOf, surroundingsOf } from './context.ts';
import { createEngagement } from './engagement.ts';
import { uuidSource } from './ids.ts';
import { createOutbox } from './outbox.ts';
import type { Filter, MethodsOf, PageMoment, Plugin } from './plugin.ts';
import { createSender } from './sender.ts';
import { attempt, createStore } from './storage.ts';
import type { EventPlan, Free, Tracker, TrackerOptions } from './types.ts';
import { createVisitor } from './visitor.ts';
import { watchAddress, watchLifecycle } from './watch.ts';

export type { Tracker, TrackerOptions } from './types.ts';

const userKey = 'milepost.user';
const accountKey = 'milepost.account';
const consentKey = 'milepost.consent';

/**
 * Starts tracking. One tracker a page; a second one with the same key would record every page view twice.
 * Under a server (no `document`) it records what it is told, in memory, and has no plug-ins.
 *
 * With a plan of events, `createTracker<{ quiz_finished: { score: number } }>(…)`, `track` takes those names and
 * properties only. The methods of the plug-ins are typed too: `createTracker({ …, plugins: [journey()] }).journey()`.
 */
export function createTracker<const Plugins extends readonly Plugin[] = []>(
  options: TrackerOptions & { plugins?: Plugins },
): Tracker & MethodsOf<Plugins>;
export function createTracker<Events extends EventPlan, Plugins extends readonly Plugin[] = []>(
  options: TrackerOptions & { plugins?: readonly Plugin[] },
): Tracker<Events> & MethodsOf<Plugins>;
export function createTracker(options: TrackerOptions): Tracker {
  const { writeKey, host = '', cookieDomain, now = Date.now } = options;
  const page = globalThis.document as Document | undefined;
  const browser = globalThis.navigator;
  const warned = new Set<string>();
  const warn = (text: string) => {
    if (!warned.has(text)) console.warn(`milepost: ${text}`);
    warned.add(text);
  };

  /** Whatever goes wrong in here is ours, not the page's. */
  const guarded =
    <Values extends unknown[], Result>(run: (...values: Values) => Result) =>
    (...values: Values): Result | undefined => {
      try {
        return run(...values);
      } catch (error) {
        warn(String(error));
        return undefined;
      }
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
  const visitor = createVisitor(store, {
    mayKeep: () => consentState() === 'granted',
    newId: () => uuid(now()),
    cookieDomain,
  });
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

  const filters: Filter[] = [];
  const listeners: [PageMoment, () => void][] = [];
  const emit = (moment: PageMoment) => listeners.forEach(([wanted, run]) => wanted === moment && run());

  function add(event: Partial<Touchpoint>, place?: object) {
    if (consentState() === 'denied') return;
    // nobody has seen the page yet; when somebody does, it happens then
    if (isPrerendering()) {
      page!.addEventListener('prerenderingchange', () => add(event, place), { once: true });
      return;
    }
    const time = now();
    const id = uuid(time);
    let kept: Touchpoint | null | undefined = {
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
    };
    for (const filter of filters) kept = kept && guarded(filter)(kept);
    if (kept) outbox.add(id, kept);
    else if (kept !== null) outbox.lose('filter_failed');
    sender.wake();
  }

  function track(name: string, properties?: Free) {
    if (name) add({ name, properties });
    else warn('track needs a name');
  }

  function viewPage(properties?: Free) {
    emit('leave');
    viewed = pageNow();
    add({ type: 'page', properties });
    emit('view');
  }

  function beginStoring() {
    store.makeDurable();
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
      emit('consent');
    },
    flush: (timeoutMs) => sender.flush(timeoutMs),
  };

  const offer = (methods: object | void) => {
    for (const [name, method] of Object.entries(methods ?? {})) tracker[name as 'page'] = guarded(method);
  };

  if (!writeKey) warn('writeKey is missing');
  if (consentState() === 'granted') beginStoring();
  offer(tracker);
  if (page) {
    // engaged time belongs to the page it was spent on, which the address may no longer say
    listeners.push([
      'leave',
      () => {
        const engaged = engagement.take();
        const properties = { engagement_time_msec: engaged };
        if (engaged) add({ name: 'user_engagement', properties }, { page: viewed });
      },
    ]);
    options.plugins?.forEach((plugin) =>
      offer(
        guarded(plugin)({
          tracker,
          options,
          add,
          viewed: () => viewed,
          on: (moment, run) => listeners.push([moment, guarded(run)]),
          filter: (run) => filters.push(run),
          store,
          consent: consentState,
          visitorId: visitor.id,
          warn,
        }),
      ),
    );
  }
  if (options.beforeSend) filters.push(options.beforeSend);
  if (page) {
    watchLifecycle(page, {
      onHide() {
        emit('leave');
        sender.sendNow();
      },
      onShow() {
        engagement.update();
        sender.wake();
        emit('show');
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
