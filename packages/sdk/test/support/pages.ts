import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { launchBrowser } from './browser.ts';
import { bundleOf } from './bundle.ts';
import { Sink } from './sink.ts';

/** A browser, pages that a test writes itself, and a sink in the collector's place. Each test has a fresh profile. */
export type Pages = {
  browser: Browser;
  context: BrowserContext;
  sink: Sink;
  /** Where the pages are. The same server answers as `localhost`. */
  url: string;
  /** What is served, by path; `/sdk.js` is the bundle. Emptied after each test. */
  files: Map<string, string>;
  /** Headers of all answers. Emptied after each test. */
  headers: Record<string, string>;
  /** Serves this body and opens it. */
  open(html: string, path?: string): Promise<Page>;
};

/** Sets pages up for the tests of a file. `code` becomes `/sdk.js`; it imports from the sources as `../../src/…`. */
export function usePages(code: string): Pages {
  const pages = {
    files: new Map<string, string>(),
    headers: {},
    async open(html, path = '/') {
      pages.files.set(new URL(path, pages.url).pathname, `<!doctype html><title>${path}</title>${html}`);
      const page = await pages.context.newPage();
      await page.goto(pages.url + path);
      return page;
    },
  } as Pages;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost');
    const file = pages.files.get(pathname);
    response.writeHead(file === undefined ? 404 : 200, {
      'content-type': pathname.endsWith('.js') ? 'text/javascript' : 'text/html;charset=utf-8',
      'referrer-policy': 'strict-origin-when-cross-origin',
      ...pages.headers,
    });
    response.end(file);
  });
  let script = '';

  beforeAll(async () => {
    pages.sink = new Sink();
    await pages.sink.listen();
    // all addresses of this machine: `localhost` may be ::1
    server.listen(0);
    await once(server, 'listening');
    pages.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    [pages.browser, script] = await Promise.all([launchBrowser(), bundleOf(code)]);
  });
  beforeEach(async () => {
    pages.sink.reset();
    pages.files.clear();
    pages.files.set('/sdk.js', script);
    pages.headers = {};
    pages.context = await pages.browser.newContext();
  });
  afterEach(() => pages.context.close());
  afterAll(async () => {
    await pages.browser.close();
    server.closeAllConnections();
    server.close();
    await pages.sink.close();
  });
  return pages;
}
