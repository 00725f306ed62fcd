import type { Page } from 'playwright-core';
import type { TrackerOptions } from '../../src/types.ts';
import { usePages, type Pages } from '../support/pages.ts';
import type { Arrived } from '../support/sink.ts';
import { until } from '../support/visit.ts';

/** Options of the plug-ins that a page has, by name. */
export type Chosen = Record<string, object>;

/** Pages with a tracker and those plug-ins that a test chooses. */
export type Watched = Pages & {
  /** Opens a page with `body` and these plug-ins. */
  watch(
    chosen: Chosen,
    body: string,
    given?: { path?: string; options?: Partial<TrackerOptions> },
  ): Promise<Page>;
  /** The start of such a page. */
  head(chosen: Chosen, options?: Partial<TrackerOptions>): string;
  /** Goes to another page, and waits until everything that was recorded has arrived. */
  leave(page: Page): Promise<void>;
  /** Names (or types, where there is none) of all touchpoints that have arrived. */
  names(): string[];
  /** Properties of the touchpoints of that name that have arrived. */
  told(name: string): Record<string, unknown>[];
};

/** Sets them up for the tests of a file. */
export function useWatched(): Watched {
  const pages = usePages(`
    import { createTracker } from '../../src/index.ts';
    import { attributes } from '../../src/plugins/attributes.ts';
    import { clicks } from '../../src/plugins/clicks.ts';
    import { engagement } from '../../src/plugins/engagement.ts';
    import { errors } from '../../src/plugins/errors.ts';
    import { forms } from '../../src/plugins/forms.ts';
    import { notFound } from '../../src/plugins/not-found.ts';
    import { search } from '../../src/plugins/search.ts';
    import { vitals } from '../../src/plugins/vitals.ts';
    const all = { attributes, clicks, engagement, errors, forms, notFound, search, vitals };
    window.start = (chosen, options) => {
      const plugins = Object.keys(chosen).map((name) => all[name](chosen[name]));
      window.milepost = createTracker({ writeKey: 'wk_test', plugins, ...options });
    };`) as Watched;

  pages.head = (chosen, options) =>
    `<script src="/sdk.js"></script><script>start(${JSON.stringify(chosen)}, ${JSON.stringify({ host: pages.sink.url, ...options })})</script>`;
  pages.watch = (chosen, body, { path = '/', options } = {}) =>
    pages.open(pages.head(chosen, options) + body, path);
  pages.leave = async (page) => {
    // there is a tracker without plug-ins, which sends what is still there
    pages.files.set('/elsewhere', pages.head({}, { pageViews: 'manual' }));
    await page.goto(`${pages.url}/elsewhere`);
    await page.evaluate(() => window.milepost.flush());
  };
  pages.names = () => {
    const byId = new Map(pages.sink.accepted.map(({ id, name, type }) => [id, name ?? type!]));
    return [...byId.values()];
  };
  pages.told = (name) => pages.sink.named(name).map(({ properties }: Arrived) => properties ?? {});
  return pages;
}

/** Hides the page and shows it again, as the events of a change of tab do. */
export async function switchTab(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const state of ['hidden', 'visible']) {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
      document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
    }
    Reflect.deleteProperty(document, 'visibilityState');
  });
}

/** Lets so many milliseconds of the page's own timers pass. */
export function pass(page: Page, ms: number): Promise<void> {
  return page.evaluate((ms) => new Promise((resolve) => setTimeout(resolve, ms)), ms);
}

/** Goes to another path as the router of a single-page app does, and waits for its page view. */
export async function goTo({ sink }: Pages, page: Page, path: string): Promise<void> {
  const before = sink.named('page').length;
  await page.evaluate((path) => history.pushState(null, '', path), path);
  await until('the next view', () => sink.named('page').length > before);
}
