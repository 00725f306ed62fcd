import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { snippet } from '../src/snippet.ts';
import { launchBrowser } from './support/browser.ts';
import { runCollector } from './support/collector.ts';
import { openPage, trackMany, until } from './support/visit.ts';

// docs/embedding.md, “Your own address”: the worker that stands there, before the real collector.

type Worker = { default: { fetch(request: Request): Promise<Response> } };

let browser: Browser;
let collector: Awaited<ReturnType<typeof runCollector>>;
let site: Server;
let url = '';
const asked: string[] = [];

beforeAll(async () => {
  collector = await runCollector();
  browser = await launchBrowser();
  const text = readFileSync(join(import.meta.dirname, '../../../docs/embedding.md'), 'utf8');
  const [, recipe] = /```js\n(const collector = [^]*?)```/.exec(text)!;
  const code = recipe!.replace('https://YOUR-COLLECTOR', collector.url);
  const { default: worker } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as Worker;
  const head = snippet({ script: '/stats/s.js', endpoint: '/stats/e', writeKey: collector.writeKey });

  site = createServer((request, response) => {
    void (async () => {
      asked.push(request.url!);
      if (!request.url!.startsWith('/stats/')) {
        response.writeHead(200, { 'content-type': 'text/html' });
        response.end(`<!doctype html><title>own</title>${head}`);
        return;
      }
      const headers = new Headers({ 'cf-connecting-ip': '203.0.113.7' });
      for (const [name, value] of Object.entries(request.headers)) {
        if (!/^(connection|host|transfer-encoding)$/.test(name)) headers.set(name, String(value));
      }
      const body = request.method === 'POST' ? Readable.toWeb(request) : null;
      const init = { method: request.method!, headers, body, duplex: 'half' } as RequestInit;
      const answer = await worker.fetch(new Request(`${url}${request.url}`, init));
      const type = answer.headers.get('content-type') ?? 'text/plain';
      response.writeHead(answer.status, { 'content-type': type });
      response.end(Buffer.from(await answer.arrayBuffer()));
    })();
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await browser.close();
  site.closeAllConnections();
  site.close();
  await collector.end();
});

test('script and touchpoints pass under names of the site, and no other address is asked', async () => {
  const context = await browser.newContext();
  const elsewhere: string[] = [];
  context.on('request', (request) => !request.url().startsWith(url) && elsewhere.push(request.url()));
  const page = await openPage(context, `${url}/shop`);
  await trackMany(page, 'by the side door', { count: 30, bytes: 100 });
  await until('the rows', async () => (await collector.stored('by the side door')).length === 30);
  expect(elsewhere).toEqual([]);
  expect(new Set(asked)).toEqual(new Set(['/shop', '/stats/s.js', '/stats/e']));
  await context.close();
});
