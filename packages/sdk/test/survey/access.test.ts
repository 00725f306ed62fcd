import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { box, score, shown, useSurveyPages } from './pages.ts';

const { pages, html, open, answers } = useSurveyPages();
/** Those of the survey; `document.getAnimations()` does not see into it. */
const animations = (page: Page) =>
  box(page).evaluate(async (one) => {
    const all = (one.getRootNode() as ShadowRoot).getAnimations();
    await Promise.all(all.map(({ finished }) => finished));
    return all.length;
  });
const axe = readFileSync(join(import.meta.dirname, '../../node_modules/axe-core/axe.min.js'), 'utf8');

type Axe = {
  axe: {
    run(
      selector: string,
      options: object,
    ): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
  };
};
/** What axe finds wrong with the survey. */
async function violations(page: Page) {
  await animations(page);
  return page.evaluate(async () => {
    const { violations } = await (window as unknown as Axe).axe.run('[data-milepost-survey]', {
      resultTypes: ['violations'],
    });
    return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
  });
}

test.each([{ scheme: 'light' }, { scheme: 'dark' }])(
  'axe finds nothing wrong, in $scheme, at any step',
  async ({ scheme }) => {
    const page = await open({ scheme });
    await page.addScriptTag({ content: axe });
    await shown(page);
    expect(await violations(page)).toEqual([]);
    await score(page, '3').check();
    expect(await violations(page)).toEqual([]);
    await box(page).getByRole('button', { name: 'Send' }).click();
    await box(page).getByText('Thank you').waitFor();
    expect(await violations(page)).toEqual([]);
  },
);

test('it appears without taking the focus, and is told to screen readers politely', async () => {
  const page = await open({ when: { event: 'now' } });
  await page.focus('#link');
  await page.evaluate(() => window.milepost.track('now'));
  await shown(page);
  expect(await page.evaluate(() => document.activeElement!.id)).toBe('link');
  await page
    .getByRole('status')
    .filter({ hasText: 'Survey: How likely are you to recommend us to a friend?' })
    .waitFor();
});

test('the keyboard is enough: reached by Tab, chosen by arrows, sent, and the focus returns to where it was', async () => {
  const page = await open();
  await shown(page);
  await page.focus('#link');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  expect(await score(page, '2').isChecked()).toBe(true);
  await page.keyboard.press('Tab');
  await page.keyboard.type('slow');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await box(page).getByText('Thank you').waitFor();
  expect(await answers(page)).toEqual([
    { survey_id: 'shop', kind: 'nps', score: 2, scale: 10, comment: 'slow' },
  ]);
  await page.keyboard.press('Escape');
  expect(await box(page).count()).toBe(0);
  expect(await page.evaluate(() => document.activeElement!.id)).toBe('link');
});

test("Escape closes it only from within, and what is typed in it is none of the page's shortcuts", async () => {
  const page = await open();
  await shown(page);
  await page.evaluate(() => {
    Object.assign(window, { heard: [] });
    addEventListener('keydown', ({ key }) => (window as unknown as { heard: string[] }).heard.push(key));
  });
  await page.keyboard.press('Escape');
  expect(await box(page).count()).toBe(1);
  await score(page, '4').focus();
  await page.keyboard.press('x');
  await page.keyboard.press('Escape');
  expect(await box(page).count()).toBe(0);
  expect(await page.evaluate(() => (window as unknown as { heard: string[] }).heard)).toEqual(['Escape']);
});

test('Enter without a choice sends nothing', async () => {
  const page = await open();
  await score(page, '4').focus();
  await page.keyboard.press('Enter');
  expect(await box(page).getByRole('radiogroup').count()).toBe(1);
  expect(await answers(page)).toEqual([]);
});

test('nothing of the page moves: the layout shift is 0 from appearing to closing', async () => {
  const page = await open({ when: { event: 'now' } });
  await page.evaluate(() => {
    const seen = { shift: 0 };
    Object.assign(window, { seen });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & {
        value: number;
        hadRecentInput: boolean;
      })[]) {
        if (!entry.hadRecentInput) seen.shift += entry.value;
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
  const places = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('h1, p, a')].map((one) => one.getBoundingClientRect().toJSON() as object),
    );
  const before = await places();
  await page.evaluate(() => window.milepost.track('now'));
  await shown(page);
  await score(page, '8').check();
  expect(await places()).toEqual(before);
  await box(page).getByRole('button', { name: 'Send' }).click();
  await box(page).getByRole('button', { name: 'Close' }).click();
  expect(await places()).toEqual(before);
  await page.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
  );
  expect(await page.evaluate(() => (window as unknown as { seen: { shift: number } }).seen.shift)).toBe(0);
});

test('the strictest policies hold: no inline style, no markup from text, no other source', async () => {
  pages.headers = {
    'content-security-policy': `default-src 'none'; script-src 'self'; connect-src ${pages.sink.url}; require-trusted-types-for 'script'; trusted-types 'none'`,
  };
  const broken: string[] = [];
  const page = await pages.context.newPage();
  page.on('console', (message) => broken.push(message.text()));
  page.on('pageerror', (error) => broken.push(error.message));
  pages.files.set('/', `<!doctype html><link rel="icon" href="data:,">${html()}`);
  await page.goto(pages.url);
  await shown(page);
  await score(page, '8').check();
  await box(page).getByRole('button', { name: 'Send' }).click();
  expect(await answers(page)).toHaveLength(1);
  expect(broken.filter((text) => !text.includes('data:,'))).toEqual([]);
  expect(
    await page.locator('[data-milepost-survey]').evaluate((host) => getComputedStyle(host).position),
  ).toBe('fixed');
});

test.each([
  { reducedMotion: 'no-preference', moves: true },
  { reducedMotion: 'reduce', moves: false },
] as const)('with $reducedMotion of motion it moves: $moves', async ({ reducedMotion, moves }) => {
  await pages.context.close();
  pages.context = await pages.browser.newContext({ reducedMotion });
  const page = await open({ when: { event: 'now' } });
  const count = await page.evaluate(async () => {
    window.milepost.track('now');
    const host = () => document.querySelector('[data-milepost-survey]');
    while (!host()) await new Promise((resolve) => setTimeout(resolve, 1));
    return host()!.shadowRoot!.getAnimations().length;
  });
  expect(count > 0).toBe(moves);
});

test.each([
  { scheme: 'auto', system: 'dark', colour: 'rgb(27, 30, 37)' },
  { scheme: 'auto', system: 'light', colour: 'rgb(255, 255, 255)' },
  { scheme: 'light', system: 'dark', colour: 'rgb(255, 255, 255)' },
] as const)('$scheme on a $system system is $colour', async ({ scheme, system, colour }) => {
  await pages.context.close();
  pages.context = await pages.browser.newContext({ colorScheme: system });
  const page = await open({ scheme });
  await shown(page);
  expect(await box(page).evaluate((one) => getComputedStyle(one).backgroundColor)).toBe(colour);
});

test('custom properties of the page are its theme', async () => {
  const page = await pages.open(
    `<style>html { --milepost-survey-background: rgb(1, 2, 3); --milepost-survey-offset: 7px }</style>${html()}`,
  );
  await shown(page);
  expect(await box(page).evaluate((one) => getComputedStyle(one).backgroundColor)).toBe('rgb(1, 2, 3)');
  const { right, bottom } = await page
    .locator('[data-milepost-survey]')
    .evaluate((one) => one.getBoundingClientRect());
  const { width, height } = page.viewportSize()!;
  expect([width - right, height - bottom]).toEqual([7, 7]);
});

test('in a page that is written from right to left it is on the left and its scale runs leftwards', async () => {
  const page = await open();
  await page.evaluate(() => (document.documentElement.dir = 'rtl'));
  await shown(page);
  const left = (name: string) => score(page, name).evaluate((one) => one.getBoundingClientRect().left);
  expect(await left('Not at all likely')).toBeGreaterThan(await left('Extremely likely'));
  expect(
    await page.locator('[data-milepost-survey]').evaluate((one) => one.getBoundingClientRect().left),
  ).toBe(20);
});

test.each([
  { width: 320, height: 568 },
  { width: 360, height: 740 },
  { width: 1280, height: 800 },
])('at $width × $height all is inside the window and large enough to touch', async (viewport) => {
  const page = await open();
  await page.setViewportSize(viewport);
  await shown(page);
  await score(page, '8').check();
  await animations(page);
  const rectangle = await box(page).evaluate((one) => one.getBoundingClientRect().toJSON() as DOMRect);
  expect(rectangle.left).toBeGreaterThanOrEqual(0);
  expect(rectangle.right).toBeLessThanOrEqual(viewport.width);
  expect(rectangle.top).toBeGreaterThanOrEqual(0);
  expect(await box(page).evaluate((one) => one.scrollWidth <= one.clientWidth)).toBe(true);
  const target = await score(page, '8').evaluate((one) => one.getBoundingClientRect().toJSON() as DOMRect);
  expect(Math.min(target.width, target.height)).toBeGreaterThanOrEqual(24);
});

test("the page's language is asked in, or the one that was named", async () => {
  const page = await pages.open(`<script>document.documentElement.lang = 'de-CH'</script>${html()}`);
  await box(page).getByText('Wie wahrscheinlich ist es').waitFor();
  expect(await page.locator('[data-milepost-survey]').getAttribute('lang')).toBe('de');
  const own = await open(
    { language: 'fr', texts: { question: 'Vous nous aimez ?', title: 'Survey' } },
    {},
    '/fr',
  );
  await box(own).getByText('Vous nous aimez ?').waitFor();
  expect(await own.locator('[data-milepost-survey]').getAttribute('lang')).toBe('fr');
});
