import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { expect, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { createPool } from '../../src/database/pool.ts';
import { createMetrics } from '../../src/operations/metrics.ts';
import { createDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';
import { apiConfig } from './fixture.ts';

/** A way to PostgreSQL that can be cut and mended. */
async function cuttable(url: string) {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {}); // cut on purpose
      socket.on('close', () => sockets.delete(socket));
    }
    client.pipe(upstream).pipe(client);
  });
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const way = new URL(url);
  way.host = `127.0.0.1:${port}`;
  return {
    url: way.href,
    cut: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
    mend: () => listen(port),
  };
}

test('while PostgreSQL is away every route answers 503 with Retry-After, and works again when it is back', async () => {
  const database = await createDatabase();
  const site = await createSite(database.pool);
  const way = await cuttable(database.url);
  const pool = createPool(way.url);
  const app = await buildApp({ config: apiConfig, pool, buffer: null, metrics: createMetrics() });
  try {
    const ask = (url: string) => app.inject({ url, headers: { authorization: `Bearer ${site.secretKey}` } });
    const urls = [
      '/v1/stages',
      '/v1/stages/decision/persons',
      '/v1/persons?user_id=a',
      '/v1/carts',
      '/v1/orders',
    ];
    expect((await ask('/v1/orders')).statusCode).toBe(200);

    await way.cut();
    for (const url of urls) {
      const answer = await ask(url);
      expect(answer.json(), url).toMatchObject({ type: '/problems/database-unavailable', status: 503 });
      expect(answer.headers['retry-after']).toBe('5');
    }

    await way.mend();
    for (const url of urls) expect([200, 404]).toContain((await ask(url)).statusCode);
    await way.cut();
  } finally {
    await app.close();
    await pool.end();
    await database.drop();
  }
});
