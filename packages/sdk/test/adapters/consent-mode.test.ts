import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { usePages } from '../support/pages.ts';
import { until } from '../support/visit.ts';

const pages = usePages(`
  import { createTracker } from '../../src/tracker.ts';
  import { datalayer } from '../../src/plugins/datalayer.ts';
  Object.assign(window, {
    start: (options, adapter) =>
      (window.milepost = createTracker({ writeKey: 'wk_test', host: sinkUrl, plugins: [datalayer(adapter)], ...options })),
  });
`);

/** A page that says its default, starts the SDK, and tells one event. */
const html = (before: string, adapter: object = {}) => `<script>
    var sinkUrl = '${pages.sink.url}';
    window.dataLayer = window.dataLayer || []; function gtag() { dataLayer.push(arguments); }
    ${before}
  </script>
  <script src="/sdk.js"></script>
  <script>start({}, ${JSON.stringify(adapter)}); gtag('event', 'search', { search_term: 'cup' })</script>`;

const denied = `gtag('consent', 'default', { analytics_storage: 'denied', ad_storage: 'denied' })`;
const answer = (page: Page, analytics: string, marketing = 'denied') =>
  page.evaluate(
    ([analytics, marketing]) =>
      (window as unknown as { gtag(...values: unknown[]): void }).gtag('consent', 'update', {
        analytics_storage: analytics,
        ad_storage: marketing,
      }),
    [analytics, marketing] as const,
  );
const stored = (page: Page) =>
  page.evaluate(() => [
    document.cookie,
    ...Object.entries(localStorage)
      .flat()
      .filter((text) => /milepost\.(id|q)/.test(text)),
  ]);
const names = () => pages.sink.accepted.map(({ name, type }) => name ?? type);

test('a default of denied stores and sends nothing until it is answered, then all with its own time', async () => {
  const page = await pages.open(html(denied));
  await page.evaluate(() => window.milepost.flush());
  const before = Date.now();
  expect(await stored(page)).toEqual(['']);
  expect(pages.sink.posts).toEqual([]);
  await answer(page, 'granted');
  await until('both', () => names().length === 2);
  expect(names()).toEqual(['page', 'search']);
  for (const { occurred_at, context } of pages.sink.accepted) {
    expect(Date.parse(occurred_at)).toBeLessThanOrEqual(before);
    expect(context.consent).toBeDefined();
  }
  await page.evaluate(() => window.milepost.track('after'));
  await until('the third', () => names().length === 3);
  expect(pages.sink.accepted[2]!.context.consent).toEqual({ analytics: 'granted', marketing: 'denied' });
  expect(new Set(pages.sink.accepted.map(({ anonymous_id }) => anonymous_id)).size).toBe(1);
});

test('a refusal drops what waited, and nothing is recorded afterwards', async () => {
  const page = await pages.open(html(denied));
  await answer(page, 'denied');
  await page.evaluate(() => window.milepost.track('after'));
  await page.evaluate(() => window.milepost.flush());
  expect(await stored(page)).toEqual(['']);
  expect(pages.sink.posts).toEqual([]);
  // a default is no answer
  await pages.open(html(`gtag('consent', 'default', { analytics_storage: 'granted' })`), '/two');
  expect(pages.sink.posts).toEqual([]);
});

test('a visitor who agreed is the same on the next page, though it begins with a default of denied', async () => {
  const first = await pages.open(html(denied));
  await answer(first, 'granted');
  await until('the first page', () => names().length === 2);
  const second = await pages.open(html(denied), '/two');
  await answer(second, 'granted');
  await until('the second page', () => names().length === 4);
  expect(new Set(pages.sink.accepted.map(({ anonymous_id }) => anonymous_id)).size).toBe(1);
});

test('of several defaults for regions the strictest holds', async () => {
  const page = await pages.open(
    html(
      `gtag('consent', 'default', { analytics_storage: 'denied', region: ['DE'] });
       gtag('consent', 'default', { analytics_storage: 'granted' })`,
    ),
  );
  expect(await stored(page)).toEqual(['']);
  await answer(page, 'granted');
  await until('both', () => names().length === 2);
});

test('a default of granted records at once', async () => {
  await pages.open(html(`gtag('consent', 'default', { analytics_storage: 'granted' })`));
  await until('both', () => names().length === 2);
});

test('Consent Mode is left alone where the shop says so', async () => {
  await pages.open(html(denied, { consentMode: 'ignore' }));
  await until('both', () => names().length === 2);
});
