import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { blocksOf, sectionOf, textOf } from '../../../collector/test/docs/markdown.ts';
import { builtSdk } from '../support/built.ts';
import { bundleOf } from '../support/bundle.ts';
import { useWatched } from './watched.ts';

// docs/recording.md shows pages and what they record.

const file = 'docs/recording.md';
const pages = useWatched();

type Shown = { section: string; path: string; act: (page: Page) => Promise<void> };
const rest = () => Promise.resolve();
const shown: Shown[] = [
  { section: 'forms', path: '/', act: (page) => page.fill('[name=first_name]', 'Ada') },
  { section: 'search', path: '/find?q=red+shoes', act: rest },
  { section: 'not-found', path: '/gone', act: rest },
  { section: 'attributes', path: '/', act: (page) => page.click('button') },
];

test.each(shown)('the example of $section records what is shown', async ({ section, path, act }) => {
  const [html, json] = blocksOf(sectionOf(file, section));
  const all = { forms: {}, search: {}, notFound: {}, attributes: {} };
  const page = await pages.watch(all, html!.text, { path });
  await act(page);
  await pages.leave(page);
  const expected = JSON.parse(json!.text.replaceAll('"/subscribe"', `"${pages.url}/subscribe"`)) as {
    properties: Record<string, unknown>;
  }[];
  for (const { properties } of expected) {
    if ('duration_ms' in properties) properties['duration_ms'] = expect.any(Number);
  }
  const names = pages.names().filter((name) => name !== 'page');
  expect(names.map((name) => ({ name, properties: pages.told(name)[0] }))).toEqual(expected);
});

test('the example of modules builds, from what the package exports', async () => {
  await builtSdk();
  const example = blocksOf(textOf(file)).find(({ language }) => language === 'ts')!;
  pages.files.set('/example.js', await bundleOf(example.text));
  const failures: Error[] = [];
  const page = await pages.context.newPage();
  page.on('pageerror', (error) => failures.push(error));
  pages.files.set('/', '<!doctype html><script src="/example.js"></script>');
  await page.goto(pages.url);
  expect(failures).toEqual([]);
  expect(
    await page.evaluate(() => Object.keys(localStorage).some((key) => key.startsWith('milepost.q.'))),
  ).toBe(true);
});
