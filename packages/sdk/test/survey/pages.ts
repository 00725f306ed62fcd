import type { Page } from 'playwright-core';
import { until } from '../support/visit.ts';
import { usePages } from '../support/pages.ts';

/** Pages on which `start(options, …surveys)` begins a tracker with surveys. */
export function useSurveyPages() {
  const pages = usePages(`
    import { createTracker } from '../../src/tracker.ts';
    import { survey } from '../../src/plugins/survey/index.ts';
    Object.assign(window, {
      start: (options, ...surveys) =>
        (window.milepost = createTracker({
          writeKey: 'wk_test', privacySignals: 'ignore', plugins: surveys.map((one) => survey(one)), ...options,
        })),
    });
  `);
  /** A page that asks at once, unless told otherwise. */
  const html = (survey: object = {}, options: object = {}) => {
    pages.files.set(
      '/start.js',
      `start(${JSON.stringify({ host: pages.sink.url, ...options })}, ${JSON.stringify({ id: 'shop', when: {}, ...survey })})`,
    );
    return `<h1>A shop</h1><p>of cups</p><a id="link" href="#">a link</a>
      <script src="/sdk.js"></script><script src="/start.js"></script>`;
  };
  return {
    pages,
    html,
    open: (survey?: object, options?: object, path?: string) => pages.open(html(survey, options), path),
    /** Answers that arrived. */
    answers: async (page: Page) => {
      await page.evaluate(() => window.milepost.flush());
      return pages.sink.named('survey_answered').map(({ properties }) => properties);
    },
  };
}

/** The survey's box. */
export const box = (page: Page) => page.getByRole('dialog', { name: /Survey|Umfrage/ });
export const score = (page: Page, name: string) => box(page).getByRole('radio', { name });
export const isShown = async (page: Page) => (await box(page).count()) > 0;

/** Waits until the tracker has nothing left to do that could still show a survey. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(() => window.milepost.flush());
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 50)));
}

export const shown = (page: Page) => until('the survey', () => isShown(page));
