import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { snippet, snippetCode, type SnippetOptions } from '../../src/snippet.ts';
import { builtSdk } from './built.ts';

/** A small site that embeds the snippet as a customer would. */
export type Site = { url: string; close(): void };

/**
 * Serves any path with a page that holds the snippet; paths that begin with `/plain` have none. The options can
 * differ from page to page: `?options={…}` is merged over the given ones. `headersOf` adds headers to a page with
 * that loader.
 */
export async function serveSite(
  options: Omit<SnippetOptions, 'script'>,
  headersOf: (loader: string) => Record<string, string> = () => ({}),
): Promise<Site> {
  const dist = await builtSdk();
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
    if (pathname.endsWith('.js')) {
      response.writeHead(200, { 'content-type': 'text/javascript' });
      response.end(readFileSync(join(dist, pathname.slice(1))));
      return;
    }
    const own = JSON.parse(searchParams.get('options') ?? '{}') as Partial<SnippetOptions>;
    const all = { script: '/milepost.js', ...options, ...own };
    const head = pathname.startsWith('/plain') ? '' : snippet(all);
    response.writeHead(200, { 'content-type': 'text/html', ...headersOf(snippetCode(all)) });
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
