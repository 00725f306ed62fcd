import type { Plugin } from '../plugin.ts';
import { attempt } from '../storage.ts';
import { afterView, listenToGlobal, listenToQueue } from './listen.ts';

type Free = Record<string, unknown>;
type Call = [method: string, ...values: unknown[]];
type Method = (this: unknown, ...values: unknown[]) => unknown;

/** How {@link segment} listens. */
export type SegmentOptions = {
  /** Name of the global object, e.g. `rudderanalytics`. Default: `analytics`. */
  name?: string;
  /** The object itself, where it is no global, e.g. what `AnalyticsBrowser.load()` of Segment's npm package gives. */
  analytics?: object;
  /**
   * Takes Segment's anonymous id over, in browsers that have none of ours yet, so that imported history and new
   * touchpoints are one visitor. Default: false.
   */
  takeAnonymousId?: boolean;
};

/**
 * Records what a page tells Segment's `analytics` (or RudderStack's): calls that wait in the snippet's queue, and all
 * later ones, each once. Names stay Segment's; the collector knows them (`Order Completed` is a `purchase`).
 *
 * `page` is left out while page views are recorded automatically.
 */
export function segment({ name, analytics, takeAnonymousId }: SegmentOptions = {}): Plugin<void> {
  return (api) => {
    const { tracker, options, store } = api;

    const tell: Record<string, (texts: string[], fields?: Free) => void> = {
      track: ([event], properties) => tracker.track(event!, properties),
      page([category, title = category], properties) {
        if (options.pageViews === 'manual') tracker.page({ page_title: title, category, ...properties });
      },
      identify([id = store.get('milepost.user')], traits) {
        if (id) tracker.identify(id, traits);
      },
      group: ([id], traits) => tracker.group(id!, traits),
      alias: ([id]) => tracker.identify(id!),
      reset: () => tracker.reset(),
    };

    const take = afterView(([method, ...values]: Call) => {
      // properties come after at most one text, a page's after two; then come options, which are Segment's own
      const fields = values
        .slice(0, method === 'page' ? 3 : 2)
        .find((value) => value && typeof value === 'object');
      const texts = values.filter((value) => /string|number/.test(typeof value));
      tell[method]?.(texts as string[], fields as Free);
    }, api.warn);

    // calls that waited in the queue: some loaders repeat them to the real object, which we listen to as well
    let queued: Call[] = [];

    function attach(object: object) {
      if (Array.isArray(object)) {
        return listenToQueue(object, (entry) => {
          const call = withoutPage(entry as Call);
          queued.push(call);
          take(call);
        });
      }
      for (const method in tell) {
        const original = (object as Record<string, Method>)[method];
        if (!original) continue;
        (object as Record<string, Method>)[method] = function (...values) {
          const call = withoutPage([method, ...values]);
          const repeated = queued.findIndex(
            (before) =>
              before.length === call.length && before.every((value, index) => value === call[index]),
          );
          if (repeated < 0) take(call);
          else queued.splice(repeated, 1);
          return original.apply(this, values);
        };
      }
      // repetitions are scheduled before the real object is put in its place
      setTimeout(() => (queued = []), 100);
    }

    if (takeAnonymousId) {
      const id = attempt(() => JSON.parse(localStorage.getItem('ajs_anonymous_id')!) as string);
      if (/^[\w-]{1,100}$/.test(id ?? '')) api.becomeVisitor(id!);
    }
    if (analytics) attach(analytics);
    else listenToGlobal(name ?? 'analytics', attach);
  };
}

/** Newer snippets put the page's address behind the arguments. */
function withoutPage(call: Call): Call {
  const last = call[call.length - 1] as { __t?: string } | undefined;
  return last?.__t === 'bpc' ? (call.slice(0, -1) as Call) : call;
}
