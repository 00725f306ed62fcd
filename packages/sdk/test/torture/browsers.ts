import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium, type BrowserContext } from 'playwright-core';

import { launchBrowser } from '../support/browser.ts';

/** What only a whole browser has, and the headless shell of the npm package has not. */
export type Need = 'back/forward cache' | 'blocked storage';

/** Where fresh profiles come from. `has` what it needs, or the scenario has to imitate it. */
export type Profiles = { browser: string; has: boolean; open(): Promise<BrowserContext> };

/** The browsers of a run. */
export type Browsers = { profiles(need?: Need): Promise<Profiles>; close(): Promise<void> };

// Playwright would end this process at once, with the PostgreSQL of a benchmark still running; browsers end with it anyway.
const signals = { handleSIGINT: false, handleSIGTERM: false };

// A person's: some trackers drop what calls itself headless.
const userAgent =
  'Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/153.0.0.0 Safari/537.36';

/**
 * The Chromium of the npm package, and, for what that one cannot do, the one that MILEPOST_CHROMIUM names or that is
 * installed.
 */
export async function openBrowsers(): Promise<Browsers> {
  const shell = await launchBrowser(signals);
  const installed = ['/usr/bin/chromium', '/usr/bin/google-chrome', '/usr/bin/chromium-browser'];
  const executablePath = process.env['MILEPOST_CHROMIUM'] ?? installed.find((path) => existsSync(path));
  const whole =
    executablePath === undefined
      ? null
      : await launchBrowser({
          ...signals,
          executablePath,
          ignoreDefaultArgs: ['--disable-back-forward-cache'],
        });

  return {
    async profiles(need) {
      const browser = `Chromium ${(need && whole ? whole : shell).version()}, ${need && whole ? 'whole' : 'headless shell'}`;
      if (need === undefined || whole === null || executablePath === undefined) {
        return { browser, has: need === undefined, open: () => shell.newContext({ userAgent }) };
      }
      if (need === 'blocked storage') {
        return { browser, has: true, open: () => openWithoutStorage(executablePath) };
      }
      return { browser, has: true, open: () => whole.newContext({ userAgent }) };
    },
    async close() {
      await shell.close();
      await whole?.close();
    },
  };
}

/** A profile whose owner blocks cookies, and with them localStorage, IndexedDB and Web Locks. */
async function openWithoutStorage(executablePath: string): Promise<BrowserContext> {
  const folder = mkdtempSync(join(tmpdir(), 'milepost-profile-'));
  mkdirSync(join(folder, 'Default'));
  writeFileSync(
    join(folder, 'Default', 'Preferences'),
    JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }),
  );
  const context = await chromium.launchPersistentContext(folder, {
    ...signals,
    executablePath,
    userAgent,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run'],
  });
  context.on('close', () => rmSync(folder, { recursive: true, force: true }));
  return context;
}
