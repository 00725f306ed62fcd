import { chromium as playwright, type Browser, type LaunchOptions } from 'playwright-core';
import { oneAtATime } from './once.ts';

/**
 * Starts a Chromium. On Linux it comes out of an npm package, with the libraries it needs; elsewhere the
 * installed Chrome is taken. `ignoreDefaultArgs` and the like go through `options`.
 */
export async function launchBrowser(options: LaunchOptions = {}): Promise<Browser> {
  const quiet = [
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
  ];
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    try {
      return await playwright.launch({
        channel: 'chrome',
        ...options,
        args: [...quiet, ...(options.args ?? [])],
      });
    } catch (cause) {
      throw new Error(
        `there is no packaged Chromium for ${process.platform}-${process.arch} and no Chrome that starts; install Google Chrome and run the tests again.`,
        { cause },
      );
    }
  }
  // before the import: makes the package unpack its own libraries and put them into LD_LIBRARY_PATH
  process.env['AWS_EXECUTION_ENV'] ??= 'AWS_Lambda_nodejs22.x';
  const { default: chromium } = await import('@sparticuz/chromium');
  chromium.setGraphicsMode = false;
  const executablePath = await oneAtATime('chromium', () => chromium.executablePath());
  return playwright.launch({
    executablePath,
    headless: true,
    ...options,
    // not the package's own arguments: they are for functions in a cloud, and switch CORS and processes off
    args: ['--no-sandbox', '--disable-gpu', ...quiet, ...(options.args ?? [])],
  });
}
