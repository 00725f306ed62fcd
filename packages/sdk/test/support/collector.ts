import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../../collector/src/config.ts';
import { startServer, type Server } from '../../../collector/src/server.ts';
import { createDatabase } from '../../../collector/test/support/database.ts';
import { createSite } from '../../../collector/test/support/site.ts';

/**
 * The real collector on a database of its own, which can be stopped and started again on the same port. With the roles
 * `derive` and `api` it answers what follows from the touchpoints, too.
 */
export async function runCollector({ roles = 'ingest,write' } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'milepost-sdk-'));
  const database = await createDatabase();
  const { siteId, writeKey } = await createSite(database.pool);
  let server: Server | undefined;
  let port = 0;

  const collector = {
    writeKey,
    siteId,
    pool: database.pool,
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    async start() {
      const config = readConfig({
        DATABASE_URL: database.url,
        PORT: String(port),
        BUFFER_URL: `lmdb:${join(folder, 'buffer')}`,
        ROLES: roles,
        LOG_LEVEL: 'silent',
      });
      server = await startServer(config);
      port = Number(new URL(server.url).port);
    },
    async stop() {
      await server?.stop();
      server = undefined;
    },
    /** How often each `n` of the touchpoints of that name is stored. */
    async stored(name: string): Promise<number[]> {
      const { rows } = await database.pool.query<{ count: number }>(
        `select count(*)::integer as count from store.touchpoints
         where site_id = $1 and name = $2 group by properties ->> 'n'`,
        [siteId, name],
      );
      return rows.map(({ count }) => count);
    },
    /** What the collector has been told was lost for that reason. */
    async lost(reason: string): Promise<number> {
      const { rows } = await database.pool.query<{ count: number }>(
        'select coalesce(sum(value), 0)::integer as count from store.counters where site_id = $1 and name = $2',
        [siteId, `sdk_lost_${reason}`],
      );
      return rows[0]!.count;
    },
    async rejected(): Promise<number> {
      const { rows } = await database.pool.query<{ count: number }>(
        'select count(*)::integer as count from store.rejected_events where site_id = $1',
        [siteId],
      );
      return rows[0]!.count;
    },
    async end() {
      await collector.stop();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await collector.start();
  return collector;
}

/** A proxy in front of it, that can answer in its place. */
export async function proxyTo(url: () => string) {
  /** Answers of the next requests; afterwards they pass. */
  const nextAnswers: { status: number; headers?: Record<string, string> }[] = [];
  const server = createServer((request, response) => {
    const own = nextAnswers.shift();
    if (own) {
      request.resume();
      response.writeHead(own.status, {
        'access-control-allow-origin': '*',
        'access-control-expose-headers': 'retry-after',
        ...own.headers,
      });
      response.end();
      return;
    }
    const passed = forward(
      url() + request.url,
      { method: request.method, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      },
    );
    passed.on('error', () => response.destroy());
    request.pipe(passed);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    nextAnswers,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
