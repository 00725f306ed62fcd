import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { snippet, type SnippetOptions } from '../../src/snippet.ts';
import { builtSdk } from '../support/built.ts';
import { pass, switchTab, useWatched } from './watched.ts';

const pages = useWatched();
const body = `<form><input name="a"><button type="button">Save</button></form>
  <button id="b" data-milepost-event="seen">Look</button><a href="https://other.example/">There</a>
  <div style="height:500vh"></div><meta name="milepost" content="404">
  <script>addEventListener('click', (event) => event.preventDefault());</script>`;

/** A page with the script that shops load, used as visitors do. */
async function visit(options: Partial<SnippetOptions>) {
  pages.files.set('/milepost.full.js', readFileSync(join(await builtSdk(), 'milepost.full.js'), 'utf8'));
  const loader = snippet({
    writeKey: 'wk_test',
    host: pages.sink.url,
    script: '/milepost.full.js',
    ...options,
  });
  const page = await pages.open(loader + body, '/?q=shoes');
  await page.waitForLoadState();
  await page.evaluate(() => window.milepost.flush());
  await page.fill('input', 'x');
  await page.click('#b');
  await page.click('a');
  await page.click('[type=button]', { clickCount: 3 });
  await pass(page, 1_600);
  await page.evaluate(() => dispatchEvent(new ErrorEvent('error', { message: 'broken' })));
  await page.evaluate(() => window.scrollTo(0, 9_999));
  await pass(page, 100);
  await switchTab(page);
  await pages.leave(page);
  return [...new Set(pages.names())].sort();
}

test('the full script records everything by itself', async () => {
  const names =
    'click dead_click form_abandon form_start page page_not_found rage_click script_error scroll seen user_engagement view_search_results web_vitals';
  expect(await visit({})).toEqual(names.split(' '));
});

test('what the loader switches off is not recorded', async () => {
  const off = {
    attributes: false,
    clicks: false,
    engagement: false,
    errors: false,
    forms: false,
    search: false,
  };
  const auto = { ...off, notFound: false, vitals: false };
  expect(await visit({ auto })).toEqual(['page', 'user_engagement']);
});
