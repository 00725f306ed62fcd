import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/database.ts';
import { residentMegabytes } from '../support/memory.ts';
import { createSite } from '../support/site.ts';
import { Load } from './process.ts';
import { expectExactlyOnce, serve, temporaryFolder } from './served.ts';

const megabyte = 1024 * 1024;

async function served() {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const site = await createSite(database.pool);
  return { ...database, ...site, collector: await serve(database.url, temporaryFolder()) };
}

test('large bodies that come in slowly are held up to a bound: past it 503 says when to come back, and pages go on', async () => {
  const { pool, siteId, writeKey, collector } = await served();
  const { hostname, port } = new URL(collector.url);
  const head = `POST /v1/events?k=${writeKey} HTTP/1.1\r\nHost: x\r\nContent-Length: ${megabyte}\r\n\r\n`;
  const most = Buffer.alloc(megabyte - 100, ' ');
  const refusals: string[] = [];
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let count = 0; count < 400; count += 1) {
    const socket = connect(Number(port), hostname).on('error', () => {});
    socket.on('data', (bytes: Buffer) => refusals.push(bytes.toString()));
    socket.write(head);
    socket.write(most);
    sockets.push(socket);
  }
  const load = new Load({ url: collector.url, key: writeKey, clients: 2, pauseMs: 5 });
  while (refusals.length < 300) await sleep(20);
  await load.untilAcked(500);
  expect(residentMegabytes(collector.pid)).toBeLessThan(400);
  expect(refusals[0]).toMatch(/^HTTP\/1\.1 503 /);
  expect(refusals[0]).toMatch(/\r\nretry-after: 10\r\n/i);
  expect(refusals[0]).toContain('/problems/buffer-full');
  await load.stop();
  expect([...load.statuses.keys()]).toEqual([200]);

  for (const socket of sockets) socket.destroy();
  await sleep(100);
  const large = await fetch(`${collector.url}/v1/events?k=${writeKey}`, {
    method: 'POST',
    body: JSON.stringify({ batch: [] }).padEnd(megabyte),
  });
  expect(large.status).toBe(200);
  expect(await collector.end('SIGTERM')).toBe(0);
  await expectExactlyOnce(pool, siteId, load.acked);
}, 60_000);
