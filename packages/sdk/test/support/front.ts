import { once } from 'node:events';
import { createServer, request as forward, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A proxy in front of a collector that counts, and can be told to keep silent. */
export type Front = {
  url: string;
  /** `GET /v1/me?k=…` and the like, in order of arrival. Preflights are left out. */
  asked(path: string): number;
  /** From now on requests for `path` are taken and never answered, until `answer()`. */
  silence(path: string): void;
  /** Lets everything through again, what waited too. */
  answer(): void;
  close(): void;
};

/** Starts a front of `target`, another address to ask the same collector by. */
export async function frontOf(target: () => string): Promise<Front> {
  const paths: string[] = [];
  let silent: string | undefined;
  let waiting: (() => void)[] = [];
  const server = createServer((request, response) => {
    const path = request.url!.split('?')[0]!;
    if (request.method !== 'OPTIONS') paths.push(path);
    const pass = () => {
      if (response.destroyed) return; // the page went away while it waited
      const { method, headers } = request;
      const passed = forward(target() + request.url!, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      passed.on('error', () => response.destroy());
      response.on('close', () => passed.destroy());
      request.pipe(passed);
    };
    if (path === silent) waiting.push(pass);
    else pass();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: (path) => paths.filter((asked) => asked === path).length,
    silence(path) {
      silent = path;
    },
    answer() {
      silent = undefined;
      for (const pass of waiting) pass();
      waiting = [];
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Pages by path, made anew for each request. */
export type Pages = Record<string, (query: URLSearchParams, response: ServerResponse) => string>;

/** Serves pages and scripts. */
export async function servePages(pages: Pages): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
    const page = pages[pathname];
    const type = pathname.endsWith('.js') ? 'text/javascript' : 'text/html';
    response.setHeader('content-type', `${type}; charset=utf-8`);
    if (page === undefined) response.writeHead(404).end();
    else response.end(page(searchParams, response));
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
