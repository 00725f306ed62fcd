import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { until } from '../support/visit.ts';
import { goTo, pass, useWatched } from './watched.ts';

const pages = useWatched();
const depths = () => pages.told('scroll').map((told) => told['percent_scrolled']);
/** A page of ten windows. */
const long = '<style>body { margin: 0 }</style><div style="height: 1000vh"></div>';

/** Scrolls to that many percent of the page's height at the window's lower edge, and waits until it has been drawn. */
const scrollTo = (page: Page, percent: number) =>
  page.evaluate(
    (percent) =>
      new Promise((resolve) => {
        addEventListener('scroll', () => setTimeout(() => setTimeout(resolve)), { once: true });
        const { scrollHeight } = document.documentElement;
        window.scrollTo({ top: (scrollHeight * percent) / 100 - innerHeight, behavior: 'instant' });
      }),
    percent,
  );

test('each depth is told when it is reached, once a page', async () => {
  const page = await pages.watch({ engagement: {} }, long);
  await scrollTo(page, 30);
  await scrollTo(page, 15);
  await scrollTo(page, 60);
  await scrollTo(page, 55);
  await page.evaluate(() => window.milepost.flush());
  expect(depths()).toEqual([25, 50]);
  await scrollTo(page, 100);
  await pages.leave(page);
  expect(depths()).toEqual([25, 50, 75, 90]);
});

test('a site may name the depths itself', async () => {
  const page = await pages.watch({ engagement: { depths: [33, 100] } }, long);
  await scrollTo(page, 100);
  await pages.leave(page);
  expect(depths()).toEqual([33, 100]);
});

test('a page that fits into the window, and one that nobody scrolls, tell nothing', async () => {
  const page = await pages.watch({ engagement: {} }, '<p>short</p>');
  await page.mouse.wheel(0, 500);
  await pass(page, 100);
  await pages.leave(page);
  await pages.leave(await pages.watch({ engagement: {} }, long));
  expect(depths()).toEqual([]);
});

test('each view of a single-page app begins anew', async () => {
  const page = await pages.watch({ engagement: {} }, long, { path: '/one' });
  await scrollTo(page, 60);
  await goTo(pages, page, '/two');
  await scrollTo(page, 30);
  await pages.leave(page);
  expect(
    pages.sink
      .named('scroll')
      .map(({ context, properties }) => [context.page?.path, properties!['percent_scrolled']]),
  ).toEqual([
    ['/one', 25],
    ['/one', 50],
    ['/two', 25],
  ]);
});

test('where an element scrolls in the page’s place, its depth counts; a small one’s does not', async () => {
  const page = await pages.watch(
    { engagement: {} },
    `<style>body { margin: 0 } #main { height: 100vh; overflow: auto } #box { height: 90px; overflow: auto }</style>
     <div id="main"><div id="box"><p style="height:900px"></div><div style="height:500vh"></div></div>`,
  );
  await page.evaluate(() => document.querySelector('#box')!.scrollTo(0, 900));
  await pass(page, 100);
  await page.evaluate(() => document.querySelector('#main')!.scrollTo(0, innerHeight * 2));
  await until('the depths', async () => {
    await page.evaluate(() => window.milepost.flush());
    return depths().length === 2;
  });
  expect(depths()).toEqual([25, 50]);
});
