import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { builtSdk } from '../support/built.ts';
import { usePages } from '../support/pages.ts';
import { box, score, settled, shown } from './pages.ts';

// what a shop loads: the files of `dist`
const pages = usePages('');
let dist = '';
beforeAll(async () => {
  dist = await builtSdk();
}, 120_000);
/** What the page has asked for. */
let asked: string[] = [];
beforeEach(async () => {
  asked = [];
  await pages.context.route(/\.js$/, (route) => {
    const { pathname } = new URL(route.request().url());
    const file = join(dist, pathname);
    asked.push(pathname);
    return existsSync(file)
      ? route.fulfill({ body: readFileSync(file, 'utf8'), contentType: 'text/javascript' })
      : route.continue();
  });
});

test('of the module, what is seen is loaded when somebody is asked', async () => {
  const page = await pages.open(`<script type="module">
    import { createTracker } from '/milepost.esm.js';
    import { survey } from '/survey.esm.js';
    window.milepost = createTracker({ writeKey: 'wk_test', host: '${pages.sink.url}', plugins: [survey({ id: 'shop', when: { event: 'now' } })] });
  </script>`);
  await page.waitForFunction(() => !!window.milepost);
  await settled(page);
  const before = asked.filter((path) => path.includes('widget'));
  await page.evaluate(() => window.milepost.track('now'));
  await shown(page);
  expect(before).toEqual([]);
  expect(asked.filter((path) => path.includes('widget'))).toHaveLength(1);
});

const survey = `<script src="/milepost.survey.js" data-survey='{ "id": "shop", "when": {} }'></script>`;
const tracker = () =>
  `<script src="/milepost.js" data-write-key="wk_test" data-host="${pages.sink.url}"></script>`;
test.each([
  { order: 'after the tracker', html: () => tracker() + survey },
  { order: 'before the tracker', html: () => survey + tracker() },
])('as a script of its own it asks, loaded $order', async ({ html }) => {
  const page = await pages.open(html());
  await score(page, '10').check();
  await box(page).getByRole('button', { name: 'Send' }).click();
  await page.evaluate(() => window.milepost.flush());
  expect(pages.sink.named('survey_answered').map(({ properties }) => properties!['score'])).toEqual([10]);
});

test('a page may ask by script, once the survey is there', async () => {
  const page = await pages.open(
    `${tracker()}<script src="/milepost.survey.js"></script><script>milepost.survey({ id: 'shop', kind: 'csat', when: {} })</script>`,
  );
  await box(page).getByText('How satisfied').waitFor();
});
