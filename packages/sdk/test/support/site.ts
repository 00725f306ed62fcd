import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { snippet, type SnippetOptions } from '../../src/snippet.ts';
import { builtSdk } from './built.ts';

/** A small site that embeds the snippet as a customer would. */
export type Site = { url: string; close(): void };

/**
 * Serves any path with a page that holds the snippet; paths that begin with `/plain` have none. The options can
 * differ from page to page: `?options={…}` is merged over the given ones.
 */
export async function serveSite(options: Omit<SnippetOptions, 'script'>): Promise<Site> {
  const dist = await builtSdk();
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
    if (pathname.endsWith('.js')) {
      response.writeHead(200, { 'content-type': 'text/javascript' });
      response.end(readFileSync(join(dist, pathname.slice(1))));
      return;
    }
    const own = JSON.parse(searchParams.get('options') ?? '{}') as Partial<SnippetOptions>;
    const head = pathname.startsWith('/plain') ? '' : snippet({ ...options, ...own, script: '/milepost.js' });
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(
      `<!doctype html><title>${pathname}</title>${head}<h1>${pathname}</h1><a id="next" href="/next">next</a>`,
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
