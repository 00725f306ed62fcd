import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Something that is measured: how its page loads it, and the script of its own that the page then asks for. */
export type Tracker = {
  name: string;
  version: string;
  /** What stands in the page's head. `window.bench.track(mark, filler)` must work after it. */
  head(to: { url: string; key: string }): string;
  /** Its scripts by path. */
  scripts: Record<string, string>;
};

/** The site that visitors are on. */
export type Pages = {
  url: string;
  /** Address of a page with the tracker, sending to `to`. `/plain…` is without any. */
  address(path: string, to: { url: string; key: string }): string;
  close(): void;
};

// Random, so that compression cannot make it small.
const fire = `
addEventListener('pageshow', ({ persisted }) => (window.isRestored = persisted));
window.fire = (run, from, count, bytes) => {
  for (let n = from; n < from + count; n++) {
    let filler = '';
    while (filler.length < bytes) filler += Math.random().toString(36).slice(2, 12);
    bench.track('mk-' + run + '-' + n + '-', filler);
  }
};`;

/** Serves pages that hold the tracker, on an origin that is not the collector's. */
export async function servePages(tracker: Tracker): Promise<Pages> {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const script = tracker.scripts[pathname];
    if (script !== undefined) {
      response
        .writeHead(200, { 'content-type': 'text/javascript', 'cache-control': 'max-age=600' })
        .end(script);
      return;
    }
    if (pathname === '/favicon.ico') {
      response.writeHead(404).end();
      return;
    }
    const to = { url: searchParams.get('to') ?? '', key: searchParams.get('key') ?? '' };
    const head = pathname.startsWith('/plain') ? '' : tracker.head(to) + `<script>${fire}</script>`;
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(
      `<!doctype html><title>${pathname}</title>${head}<h1>${pathname}</h1><a id="next" href="/plain">next</a>`,
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    address: (path, to) => `${url}${path}?to=${encodeURIComponent(to.url)}&key=${to.key}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
