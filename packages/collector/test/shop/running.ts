import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { expect } from 'vitest';
import { launchBrowser } from '../../../sdk/test/support/browser.ts';
import { oneAtATime } from '../../../sdk/test/support/once.ts';
import { readConfig } from '../../src/config.ts';
import { buildBrowserCode } from '../../src/demo/build.ts';
import { startServer } from '../../src/server.ts';
import { createDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';

/** The whole collector with its shop, and a Chromium to walk through it. */
export async function runShop() {
  await oneAtATime('browser-code', async () => buildBrowserCode(() => {}));
  const folder = mkdtempSync(join(tmpdir(), 'milepost-shop-'));
  const database = await createDatabase();
  const site = await createSite(database.pool);
  const server = await startServer(
    readConfig({
      DATABASE_URL: database.url,
      PORT: '0',
      BUFFER_URL: `lmdb:${join(folder, 'buffer')}`,
      LOG_LEVEL: 'silent',
    }),
    { shop: { writeKey: site.writeKey } },
  );
  const browser = await launchBrowser();

  return {
    ...site,
    pool: database.pool,
    databaseUrl: database.url,
    url: server.url,

    /** A browser of somebody new. What its pages complain about is collected in `complaints`. */
    async visitor(): Promise<{ context: BrowserContext; page: Page; complaints: string[] }> {
      const context = await browser.newContext({ baseURL: server.url, reducedMotion: 'reduce' });
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (message) => {
        // policy violations come as errors, and so does every request that failed
        if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
      });
      return { context, page, complaints };
    },

    /** Rows of a query, where $1 is the site. */
    async rows<Row extends object>(query: string, ...values: unknown[]): Promise<Row[]> {
      return (await database.pool.query<Row>(query, [site.siteId, ...values])).rows;
    },

    /** Asks the Stage API with the site's secret key. */
    async api(path: string): Promise<{ status: number; body: unknown }> {
      const response = await fetch(server.url + path, {
        headers: { authorization: `Bearer ${site.secretKey}` },
      });
      return { status: response.status, body: await response.json() };
    },

    async end() {
      await browser.close();
      await server.stop();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export type RunningShop = Awaited<ReturnType<typeof runShop>>;

/** Waits until the rows are as expected; gives the milliseconds that it took. */
export async function eventually(read: () => Promise<unknown>, expected: unknown): Promise<number> {
  const startedAt = performance.now();
  await expect.poll(read, { timeout: 10_000, interval: 20 }).toEqual(expected);
  return performance.now() - startedAt;
}
