import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { launchBrowser } from './browser.ts';
import { Sink } from './sink.ts';
import { serveSite, type Site } from './site.ts';
import { openPage, until } from './visit.ts';

/** A browser, a site with the snippet, and a sink in the collector's place. Each test has a fresh profile. */
export type World = {
  browser: Browser;
  site: Site;
  sink: Sink;
  context: BrowserContext;
  /** A page whose own page view has arrived already. */
  settledPage(path?: string): Promise<Page>;
};

/** Sets a world up for the tests of a file, and takes it down afterwards. */
export function useWorld(): World {
  const world: World = {
    async settledPage(path = '/shop') {
      const page = await openPage(world.context, world.site.url + path);
      await until('the page view', () => world.sink.named('page').length > 0);
      return page;
    },
  } as World;

  beforeAll(async () => {
    world.sink = new Sink();
    await world.sink.listen();
    [world.browser, world.site] = await Promise.all([
      launchBrowser(),
      serveSite({ writeKey: 'wk_test', host: world.sink.url }),
    ]);
  });
  beforeEach(async () => {
    world.sink.reset();
    world.context = await world.browser.newContext();
  });
  afterEach(() => world.context.close());
  afterAll(async () => {
    await world.browser.close();
    world.site.close();
    await world.sink.close();
  });
  return world;
}
