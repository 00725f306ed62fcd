import { createHash } from 'node:crypto';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { launchBrowser } from './support/browser.ts';
import { builtSdk } from './support/built.ts';
import { Sink } from './support/sink.ts';
import { serveSite, type Site } from './support/site.ts';
import { pageAt, trackMany, until } from './support/visit.ts';

// Under the strictest policy that a page can have.

let browser: Browser;
let context: BrowserContext;
let site: Site;
const sink = new Sink();

beforeAll(async () => {
  await sink.listen();
  browser = await launchBrowser();
  site = await serveSite({ writeKey: 'wk_test', host: sink.url }, (loader) => {
    const hash = createHash('sha256').update(loader).digest('base64');
    const policy = [
      `default-src 'none'`,
      `script-src 'self' 'sha256-${hash}'`,
      `connect-src ${sink.url}`,
      `require-trusted-types-for 'script'`,
      'trusted-types milepost',
    ];
    return { 'content-security-policy': policy.join('; ') };
  });
});
beforeEach(async () => {
  sink.reset();
  context = await browser.newContext();
});
afterEach(() => context.close());
afterAll(async () => {
  await browser.close();
  site.close();
  await sink.close();
});

/** Opens a page, and collects what its policy had to forbid. */
async function openUnderPolicy(path: string): Promise<{ page: Page; forbidden: string[] }> {
  const page = await context.newPage();
  const forbidden: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.location().url.endsWith('favicon.ico'))
      forbidden.push(message.text());
  });
  page.on('pageerror', (error) => forbidden.push(String(error)));
  await page.goto(site.url + path);
  return { page, forbidden };
}

test.each(['/milepost.js', '/milepost.full.js'])(
  '%s works without unsafe-* and under Trusted Types',
  async (script) => {
    const { page, forbidden } = await openUnderPolicy(pageAt('/strict', { script }));
    await trackMany(page, 'allowed');
    await until('the call', () => sink.named('allowed').length === 1);
    expect(forbidden).toEqual([]);
  },
);

test('a script with its SRI hash runs, another one does not', async () => {
  const file = readFileSync(join(await builtSdk(), 'milepost.js'));
  const integrity = `sha384-${createHash('sha384').update(file).digest('base64')}`;
  const { page, forbidden } = await openUnderPolicy(pageAt('/pinned', { integrity }));
  await trackMany(page, 'pinned');
  await until('the call', () => sink.named('pinned').length === 1);
  expect(forbidden).toEqual([]);

  const other = integrity.replace(/.{8}$/, 'AAAAAAA=');
  const tampered = await context.newPage();
  const refused = tampered.waitForEvent('console', (message) => /integrity/.test(message.text()));
  await tampered.goto(site.url + pageAt('/tampered', { integrity: other }));
  await refused;
  expect(await tampered.evaluate(() => 'q' in window.milepost)).toBe(true);
});
