import type { Plugin } from '../plugin.ts';
import { listen, record } from './page.ts';

/** What the observers tell: the fields of all their kinds of entries together. */
type Entry = PerformanceEntry & { value: number; hadRecentInput: boolean; interactionId?: number };
type Navigation = PerformanceNavigationTiming & { activationStart?: number };

/** Up to where a value is good, and from where on it is poor; https://web.dev/articles/vitals. ms, CLS without unit. */
const thresholds = {
  lcp: [2_500, 4_000],
  inp: [200, 500],
  cls: [0.1, 0.25],
  ttfb: [800, 1_800],
  fcp: [1_800, 3_000],
} as const;
type Vital = keyof typeof thresholds;

/** Each value and its rating, in the words of web.dev, as properties of a touchpoint. */
export function ratedOf(values: Partial<Record<Vital, number | undefined>>): Record<string, unknown> {
  const rated: Record<string, unknown> = {};
  for (const vital in thresholds) {
    const value = values[vital as Vital];
    const [good, poor] = thresholds[vital as Vital];
    if (value === undefined) continue;
    rated[vital] = +value.toFixed(4);
    rated[`rating_${vital}`] = value > poor ? 'poor' : value > good ? 'needs-improvement' : 'good';
  }
  return rated;
}

/** The largest window of layout shifts (that is CLS), the sum of the present one, when it began, and its last shift. */
export type Shifts = readonly [worst: number, sum: number, first: number, last: number];
const noShifts: Shifts = [0, 0, 0, -1_000];

/** Adds a layout shift. A window ends after a second without one, or after five seconds. */
export function withShift(
  shifts: Shifts,
  { startTime, value }: { startTime: number; value: number },
): Shifts {
  const [worst, sum, first, last] = shifts;
  const isNew = startTime - last >= 1_000 || startTime - first >= 5_000;
  const total = isNew ? value : sum + value;
  return [Math.max(worst, total), total, isNew ? startTime : first, startTime];
}

/**
 * INP: the longest interaction, leaving out one for every fifty (`count` is the number of all, `durations` those over
 * 40 ms). Where there were only quick ones it is 8 ms.
 */
export function inpOf(durations: Iterable<number>, count: number): number | undefined {
  const longest = [...durations].sort((a, b) => b - a);
  return longest[Math.min(longest.length - 1, Math.floor(count / 50))] ?? (count ? 8 : undefined);
}

/**
 * Core Web Vitals: one touchpoint `web_vitals` a page view, when the page is first hidden or left. Nothing is recorded
 * of a page that was hidden before it had painted. Views of a single-page app after the first have CLS and INP only;
 * a page out of the back/forward cache is measured anew.
 */
export function vitals(): Plugin<void> {
  return (api) => {
    const { supportedEntryTypes } = PerformanceObserver;
    const [navigation] = performance.getEntriesByType('navigation') as Navigation[];
    const activatedAt = () => navigation?.activationStart ?? 0;
    const sinceActivation = (time: number) => Math.max(time - activatedAt(), 0);
    const durations = new Map<number, number>();
    let shifts = noShifts;
    let values: Parameters<typeof ratedOf>[0] = {};
    let restoredAt = 0;
    let countBefore = 0;
    let viewCount = 0;
    let isMeasured = false;
    let isSoft = false;

    const wasHidden = () =>
      performance
        .getEntriesByType('visibility-state')
        .some(({ name, startTime }) => name === 'hidden' && startTime >= activatedAt()) || document.hidden;

    const take = (entries: PerformanceEntryList) =>
      (entries as Entry[]).forEach((entry) => {
        const { entryType, name, startTime, duration, interactionId } = entry;
        if (entryType === 'layout-shift') {
          if (!entry.hadRecentInput) shifts = withShift(shifts, entry);
        } else if (interactionId) {
          durations.set(interactionId, Math.max(durations.get(interactionId) ?? 0, duration));
        } else if (viewCount < 2) {
          // the browser itself sends no more candidates after the first input
          if (entryType === 'largest-contentful-paint') values.lcp = sinceActivation(startTime);
          if (name === 'first-contentful-paint') values.fcp = sinceActivation(startTime);
        }
      });
    const observer = new PerformanceObserver((list) => take(list.getEntries()));
    for (const type of ['layout-shift', 'event', 'first-input', 'largest-contentful-paint', 'paint']) {
      const options = { type, buffered: true, durationThreshold: 40 };
      if (supportedEntryTypes.includes(type)) observer.observe(options);
    }

    // before the core hears of it and records the view
    listen<PageTransitionEvent>('pageshow', ({ persisted, timeStamp }) => {
      if (persisted) restoredAt = timeStamp;
    });

    api.on('leave', () => {
      take(observer.takeRecords());
      values.inp = inpOf(durations.values(), (performance.interactionCount ?? durations.size) - countBefore);
      if (supportedEntryTypes.includes('layout-shift')) values.cls = shifts[0];
      // like CrUX: what has never painted has not been seen
      if (isMeasured && (isSoft || values.fcp! >= 0)) record(api, 'web_vitals', ratedOf(values));
      isMeasured = false;
    });

    api.on('view', () => {
      if (!viewCount++) {
        const { responseStart = 0 } = navigation ?? {};
        // some browsers hide it, or err
        if (responseStart > 0 && responseStart < performance.now())
          values.ttfb = sinceActivation(responseStart);
        isMeasured = !!document.prerendering || !wasHidden();
        return;
      }
      const from = restoredAt;
      const fresh: typeof values = (values = from ? { ttfb: 0 } : {});
      isSoft = !from;
      isMeasured = true;
      restoredAt = 0;
      durations.clear();
      shifts = noShifts;
      countBefore = performance.interactionCount ?? 0;
      if (from) {
        requestAnimationFrame(() =>
          requestAnimationFrame(() => (fresh.lcp = fresh.fcp = performance.now() - from)),
        );
      }
    });
  };
}
