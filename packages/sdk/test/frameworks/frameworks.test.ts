import { renderToString as renderReact } from 'react-dom/server';
import { beforeEach, describe, expect, test } from 'vitest';
import { renderToString as renderVue } from 'vue/server-renderer';
import { journey, type Journey } from '../../src/plugins/journey.ts';
import { createTracker } from '../../src/tracker.ts';
import { usePages } from '../support/pages.ts';
import { until } from '../support/visit.ts';
import * as react from './react-app.ts';
import * as vue from './vue-app.ts';

const told = (stage: string): Journey => ({
  stage,
  furthest_stage: stage,
  since: '2026-11-22T10:00:00Z',
  is_customer: false,
  segments: [],
  variants: {},
});

const shared = `
  import { createTracker } from '../../src/tracker.ts';
  import { journey } from '../../src/plugins/journey.ts';
  const milepost = (window.milepost = createTracker({
    writeKey: 'wk_test', host: sinkUrl, privacySignals: 'ignore', plugins: [journey()],
  }));`;

const frameworks = [
  {
    name: 'React',
    code: `${shared}
      import { createRoot, hydrateRoot } from 'react-dom/client';
      import { app } from '../frameworks/react-app.ts';
      const place = document.querySelector('#app');
      if (place.hasChildNodes()) hydrateRoot(place, app(milepost, window.initial));
      else createRoot(place).render(app(milepost, window.initial));`,
    render: async (tracker: ReturnType<typeof server>, initial?: Journey) =>
      renderReact(react.app(tracker, initial)),
    renderOrphan: async () => renderReact(react.orphan()),
    sentence: 'useTracker needs a TrackerProvider above',
  },
  {
    name: 'Vue',
    code: `${shared}
      import { app } from '../frameworks/vue-app.ts';
      app(milepost, window.initial).mount('#app');`,
    render: (tracker: ReturnType<typeof server>, initial?: Journey) => renderVue(vue.app(tracker, initial)),
    renderOrphan: () => renderVue(vue.orphan()),
    sentence: 'useTracker needs app.use(milepost(tracker))',
  },
];

/** A server's tracker: the same call as in the browser. */
const server = (host: string) => createTracker({ writeKey: 'wk_test', host, plugins: [journey()] });

describe.each(frameworks)('$name', ({ code, render, renderOrphan, sentence }) => {
  const pages = usePages(code);
  let stage = '';
  beforeEach(async () => {
    stage = 'decision';
    await pages.context.route(/\/v1\/me/, (route) =>
      route.fulfill({
        json: told(stage),
        headers: { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*' },
      }),
    );
  });
  /** The app's page, rendered by a server or empty. */
  const html = ({ rendered = '', initial }: { rendered?: string; initial?: Journey } = {}) =>
    `<div id="app">${rendered}</div>
     <script>var sinkUrl = '${pages.sink.url}', initial = ${JSON.stringify(initial) ?? 'undefined'}</script><script src="/sdk.js"></script>`;

  test('what a component tracks arrives once, beside one page view', async () => {
    const page = await pages.open(html());
    await page.click('button');
    await page.evaluate(() => window.milepost.flush());
    expect(pages.sink.named('page')).toHaveLength(1);
    expect(pages.sink.named('add_to_cart').map(({ properties }) => properties)).toEqual([
      { cart_id: 'c1', items: [{ item_id: 'SKU1' }] },
    ]);
  });

  test('the journey is unknown, then known, and changes with the visitor', async () => {
    const page = await pages.open(html());
    await page.getByText('stage: decision').waitFor();
    await page.evaluate(
      (detail) => dispatchEvent(new CustomEvent('milepost:journey', { detail })),
      told('retention'),
    );
    await page.getByText('stage: retention').waitFor();
  });

  test('a component that is gone listens no longer', async () => {
    const page = await pages.open(
      `<script>
        var listeners = 0;
        for (const [name, change] of [['addEventListener', 1], ['removeEventListener', -1]]) {
          const original = window[name];
          window[name] = function (type) {
            if (type === 'milepost:journey') listeners += change;
            return original.apply(this, arguments);
          };
        }
      </script>${html()}`,
    );
    const listeners = () => page.evaluate(() => (window as unknown as { listeners: number }).listeners);
    await page.getByText('stage: decision').waitFor();
    expect(await listeners()).toBe(1);
    await page.click('#toggle');
    await until('its end', async () => (await listeners()) === 0);
  });

  test('a server renders without a document, what it knows of the journey too, and sends nothing', async () => {
    const tracker = server(pages.sink.url);
    expect(await render(tracker)).toContain('stage: unknown');
    expect(await render(tracker, told('consideration'))).toContain('stage: consideration');
    await tracker.flush();
    expect(pages.sink.posts).toEqual([]);
  });

  test('the browser takes over what the server rendered, without a warning, and then what is true now', async () => {
    const page = await pages.context.newPage();
    const warnings: string[] = [];
    page.on('console', (message) => /warning|error/.test(message.type()) && warnings.push(message.text()));
    page.on('pageerror', (error) => warnings.push(error.message));
    const initial = told('consideration');
    const rendered = await render(server(pages.sink.url), initial);
    pages.files.set('/', `<!doctype html><link rel="icon" href="data:,">${html({ rendered, initial })}`);
    await page.goto(pages.url);
    await page.getByText('stage: decision').waitFor();
    expect(warnings.filter((text) => !text.includes('__VUE_PROD_'))).toEqual([]);
  });

  test('a component without a tracker says what is missing', async () => {
    await expect(renderOrphan()).rejects.toThrow(sentence);
  });
});
