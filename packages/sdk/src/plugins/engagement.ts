import type { Plugin } from '../plugin.ts';
import { listen, record } from './page.ts';

/** Options of {@link engagement}. */
export type EngagementOptions = {
  /** The depths that are recorded, in percent of the page's height. Default: 25, 50, 75 and 90. */
  depths?: readonly number[];
};

/**
 * How far down a page was scrolled: `scroll` at each depth that the lower edge of the window reaches, once a page view.
 * Nothing before somebody scrolls, so nothing of a page that fits into the window. The time is the core's.
 */
export function engagement({ depths = [25, 50, 75, 90] }: EngagementOptions = {}): Plugin<void> {
  return (api) => {
    let left = depths;
    listen('scroll', ({ target }) =>
      // the event comes at most once a frame and before it is drawn: afterwards the layout is known, and reading it free
      setTimeout(() => {
        const page = document.documentElement;
        // some pages leave the scrolling to an element that fills most of the window
        const isInner = target instanceof Element && page.scrollHeight <= innerHeight;
        const { scrollTop, clientHeight, scrollHeight } = isInner ? target : page;
        // a pixel more, for in zoomed pages half of one is lost
        const percent =
          clientHeight < innerHeight / 2 ? 0 : ((scrollTop + clientHeight + 1) * 100) / scrollHeight;
        left = left.filter((depth) => {
          if (depth <= percent) record(api, 'scroll', { percent_scrolled: depth });
          return depth > percent;
        });
      }),
    );
    api.on('view', () => (left = depths));
  };
}
