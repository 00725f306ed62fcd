import type { ConsentState } from '../consent.ts';
import type { Plugin } from '../plugin.ts';
import { createReader, type Said } from './datalayer-entries.ts';
import { afterView, listenToGlobal, listenToQueue } from './listen.ts';

export { enhancedEcommerce } from './enhanced-ecommerce.ts';

/** How {@link datalayer} listens. */
export type DatalayerOptions = {
  /** Name of the global array. Default: `dataLayer`. */
  name?: string;
  /** `follow` (default) takes the visitor's consent from Google's Consent Mode; `ignore` leaves it to `consent()`. */
  consentMode?: 'follow' | 'ignore';
  /** Sees each entry first, and returns what is to be read in its place: one entry, several, or none. */
  translate?: (entry: unknown) => unknown[];
};

/**
 * Records what a page tells Google: calls of `gtag`, and objects pushed to the `dataLayer` of a tag manager, what is in
 * it already included. Each push counts once, whoever is loaded first. Changes nothing for Google.
 *
 * Google's own events (`gtm.…`) are left out, and `page_view` while page views are recorded automatically.
 */
export function datalayer({ name, consentMode, translate }: DatalayerOptions = {}): Plugin<void> {
  return ({ tracker, options, store, consent, warn }) => {
    const read = createReader();
    let analytics: ConsentState | undefined;
    let marketing: ConsentState | undefined;

    function follow({ isDefault, purposes }: NonNullable<Said['consent']>) {
      // only an answer ends a refusal
      if (isDefault && consent() === 'denied') return;
      const next = (before: ConsentState | undefined, purpose: string) => {
        const state = (purposes[purpose] ?? before) as ConsentState | undefined;
        // a default of `denied` waits for an answer; several are for regions, and which holds here we do not know
        return isDefault && (state === 'denied' || before === 'pending') ? 'pending' : state;
      };
      analytics = next(analytics, 'analytics_storage');
      marketing = next(marketing, 'ad_storage');
      tracker.consent({ analytics: analytics ?? consent(), ...(marketing && { marketing }) });
    }

    const tell = afterView(({ event, userId }: Said) => {
      if (userId && userId !== store.get('milepost.user')) tracker.identify(userId);
      if (!event) return;
      if (event.name !== 'page_view') tracker.track(event.name, event.properties);
      else if (options.pageViews === 'manual') tracker.page(event.properties);
    }, warn);

    const take = (entry: unknown) => {
      try {
        for (const one of translate ? translate(entry) : [entry]) {
          const said = read(one);
          if (said.consent && consentMode !== 'ignore') follow(said.consent);
          tell(said);
        }
      } catch (error) {
        warn(String(error));
      }
    };
    listenToGlobal(name ?? 'dataLayer', (layer) => listenToQueue(layer as unknown[], take));
  };
}
