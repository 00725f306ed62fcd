import type { Plugin } from '../plugin.ts';
import { onceShown, record } from './page.ts';

/** Options of {@link notFound}. */
export type NotFoundOptions = {
  /** Says whether the page that is shown is one for what does not exist. Asked a second after each page view. */
  isNotFound?: () => boolean;
};

/**
 * Pages that do not exist: `page_not_found` for answers with status 404, and where the page itself says so, by
 * `<meta name="milepost" content="404">`, by `data-milepost-page="404"` on any element, or by the option.
 */
export function notFound({ isNotFound }: NotFoundOptions = {}): Plugin<void> {
  return (api) => {
    onceShown(api, () => {
      const { url, path } = api.viewed()!;
      const [loaded] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
      // the status is that of the address which was loaded, not of what a script has made of it
      const status = loaded?.name.split('#')[0] === url ? loaded.responseStatus : 0;
      const isMarked = document.querySelector(
        'meta[name=milepost][content="404"],[data-milepost-page="404"]',
      );
      if (isMarked || status === 404 || isNotFound?.()) {
        record(api, 'page_not_found', { page_path: path });
      }
    });
  };
}
