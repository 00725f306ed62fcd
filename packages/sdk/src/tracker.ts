import type { Touchpoint } from './touchpoint.ts';
import { commerceOf } from './commerce.ts';
import { analyticsOf, isRecordingRefused, type Consent } from './consent.ts';
import { arrivalOf, pageOf, surroundingsOf, type PageContext } from './context.ts';
import { createEngagement } from './engagement.ts';
import { uuid } from './ids.ts';
import { createOutbox } from './outbox.ts';
import type { Filter, MethodsOf, PageMoment, Plugin, PluginApi } from './plugin.ts';
import { createSender } from './sender.ts';
import { attempt, createStore } from './storage.ts';
import type { EventPlan, Free, Tracker, TrackerOptions } from './types.ts';
import { createVisitor } from './visitor.ts';
import { warn } from './warn.ts';
import { listen, watchAddress } from './watch.ts';

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
  const { host = '', storage = 'local', now = Date.now } = options;
  const page = globalThis.document as Document | undefined;

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

  // for `none` there is no such property, which is as good as a storage that is blocked
  const local = () => globalThis[`${storage as 'local'}Storage`];
  const isRefused = options.privacySignals !== 'ignore' && isRecordingRefused(globalThis.navigator);
  let answer: Consent | undefined =
    attempt(() => JSON.parse(local().getItem(consentKey)!) as Consent | null) ?? options.consent;
  const consentState = () => (isRefused ? 'denied' : analyticsOf(answer));
  const isGranted = () => consentState() === 'granted';

  const store = createStore(local, isGranted);
  const core = { ...options, storage, store, now, mayKeep: isGranted };
  const visitor = createVisitor(core);
  const outbox = createOutbox({ ...core, whose: () => page && visitor.visitorId() });
  const sender = createSender({
    endpoint: `${host}/v1/events`,
    ...core,
    outbox,
    canSend: () => isGranted() && !page?.prerendering,
  });
  const engagement = createEngagement(
    () => performance.now(),
    () => page!.visibilityState === 'visible' && page!.hasFocus(),
  );

  const surroundings = surroundingsOf(page);
  let referrer = page?.referrer ?? '';
  let viewed: PageContext | undefined;

  const filters: Filter[] = [];
  const listeners: [PageMoment, () => void][] = [];
  const emit = (moment: PageMoment) => listeners.forEach(([wanted, run]) => wanted === moment && run());

  /** The first page view, which has a task of its own, so that slow devices have two short ones. */
  let first: (() => void) | undefined;

  function add(event: Partial<Touchpoint>, place?: object, time = now()) {
    if (consentState() === 'denied') return;
    first?.();
    // nobody has seen the page yet; when somebody does, it happens then
    if (page?.prerendering) {
      page.addEventListener('prerenderingchange', () => add(event, place), { once: true });
      return;
    }
    const id = uuid(time);
    let kept: Touchpoint | null | undefined = {
      id,
      occurred_at: new Date(time).toISOString(),
      // while consent is pending it is not known yet which visitor this is
      ...(page ? isGranted() && { anonymous_id: visitor.visitorId() } : { source: 'server' }),
      user_id: store.get(userKey),
      account_id: store.get(accountKey),
      ...event,
      context: {
        ...surroundings,
        consent: answer,
        ...(place ?? (page && { ...arrivalOf(location.search), page: pageOf(referrer) })),
      },
    };
    for (const filter of filters) kept = kept && guarded(filter)(kept);
    if (kept) outbox.enqueue(id, kept);
    else if (kept !== null) outbox.lose('filter_failed');
    sender.wake();
  }

  function track(name: string, properties?: Free) {
    if (name) add({ name, properties });
    else warn('track needs a name');
  }

  const become =
    (type: 'identify' | 'group', key: string) =>
    (id: string | number, traits?: Free, { proof }: { proof?: string } = {}) => {
      if (!id) return warn(`${type} needs an id`);
      store.set(key, String(id));
      add({ type, traits, user_proof: proof });
    };

  function leave() {
    emit('leave');
    const engaged = engagement.take();
    const properties = { engagement_time_msec: engaged };
    // it belongs to the page it was spent on, which the address may no longer say
    if (engaged) add({ name: 'user_engagement', properties }, { page: viewed });
  }

  function viewPage(properties?: Free) {
    leave();
    viewed = page && pageOf(referrer);
    add({ type: 'page', properties });
    emit('view');
  }

  const tracker: Tracker = {
    ...commerceOf(track),
    track,
    page: viewPage,
    identify: become('identify', userKey),
    group: become('group', accountKey),
    reset() {
      store.remove(userKey);
      store.remove(accountKey);
      visitor.forget();
      visitor.visitorId();
    },
    consent(given) {
      answer = given;
      if (isGranted()) {
        store.settle();
        sender.wake();
      } else if (consentState() === 'denied') {
        store.wipe('milepost.');
        visitor.forget();
        outbox.own.clear();
      }
      const change = consentState() === 'pending' ? 'removeItem' : 'setItem';
      attempt(() => local()[change](consentKey, JSON.stringify(given)));
      emit('consent');
    },
    flush: (timeoutMs) => sender.flush(timeoutMs),
    use: (plugin) => offer(page ? plugin(api) : plugin.server),
  };

  function offer(methods: object | void) {
    for (const name in methods as object) tracker[name as 'page'] = guarded(methods![name as never]);
  }

  offer(tracker);
  const api: PluginApi = {
    ...visitor,
    tracker,
    options,
    add,
    viewed: () => viewed,
    on: (moment, run) => listeners.push([moment, guarded(run)]),
    filter: (run) => filters.push(run),
    store,
    consent: consentState,
    warn,
  };
  options.plugins?.forEach(tracker.use);
  if (options.beforeSend) filters.push(options.beforeSend);
  if (page) {
    const isAuto = options.pageViews !== 'manual';
    // the last moment there may be, and it may come twice for one end
    const onHide = () => {
      leave();
      sender.sendNow();
    };
    const onShow = () => {
      engagement.update();
      sender.wake();
      emit('show');
    };
    listen({
      pagehide: onHide,
      pageshow({ persisted }) {
        onShow();
        if (isAuto && persisted) viewPage();
      },
      visibilitychange: () => (page.visibilityState === 'hidden' ? onHide() : onShow()),
      focus: engagement.update,
      blur: engagement.update,
      online: sender.retry,
    });
    if (isAuto) {
      watchAddress(() => {
        if (location.href.split('#')[0] === viewed!.url) return;
        referrer = viewed!.url;
        viewPage();
      });
      const time = now();
      first = () => {
        first = undefined;
        viewed = pageOf(referrer);
        add({ type: 'page' }, undefined, time);
        emit('view');
      };
      setTimeout(() => first?.());
    }
    viewed = pageOf(referrer);
    engagement.update();
  }
  sender.wake();
  return tracker;
}
