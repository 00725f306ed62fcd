import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '@milepost/shared';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/database.ts';
import { residentMegabytes } from '../support/memory.ts';
import { createSite } from '../support/site.ts';
import { type CollectorProcess, Load } from './process.ts';
import { startedAgain } from './killed.ts';
import { expectExactlyOnce, ownPostgres, serve, temporaryFolder } from './served.ts';
import { SlowProxy } from './slow-proxy.ts';

const mostMegabytes = 400;

async function site() {
  const database = await createDatabase();
  onTestFinished(database.drop);
  return { ...database, ...(await createSite(database.pool)) };
}

/** Ends the load and the collector, and looks whether all is as it should be. */
async function expectSound(
  { pool, siteId }: { pool: pg.Pool; siteId: number },
  collector: CollectorProcess,
  load: Load,
): Promise<void> {
  await load.stop();
  expect(residentMegabytes(collector.pid)).toBeLessThan(mostMegabytes);
  expect(await collector.end('SIGTERM')).toBe(0);
  await expectExactlyOnce(pool, siteId, load.acked);
}

test('PostgreSQL slow, 200 ms more a statement: everything is acked, and stored once it is quick again', async () => {
  const database = await site();
  const proxy = new SlowProxy(new URL(database.url));
  onTestFinished(() => proxy.close());
  const collector = await serve(await proxy.open(database.url), temporaryFolder());
  const load = new Load({ url: collector.url, key: database.writeKey, clients: 4, pauseMs: 5 });
  await load.untilAcked(200);
  proxy.delayMs = 200;
  await load.untilAcked(2_000);
  expect([...load.statuses.keys()]).toEqual([200]);
  proxy.delayMs = 0;
  await expectSound(database, collector, load);
}, 60_000);

test('PostgreSQL read-only: everything is acked, and stored once it may be written again', async () => {
  const database = await site();
  const collector = await serve(database.url, temporaryFolder());
  const load = new Load({ url: collector.url, key: database.writeKey, clients: 4, pauseMs: 5 });
  await load.untilAcked(200);
  const { rows } = await database.pool.query<{ name: string }>('select current_database() as name');
  const set = async (isReadOnly: boolean) => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query('set default_transaction_read_only = off');
    await client.query(
      `alter database ${rows[0]!.name} set default_transaction_read_only = ${isReadOnly ? 'on' : 'off'}`,
    );
    await client.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`);
    await client.end();
  };
  await set(true);
  await load.untilAcked(1_000);
  await set(false);
  expect([...load.statuses.keys()]).toEqual([200]);
  await expectSound(database, collector, load);
}, 60_000);

test('PostgreSQL out of connections: everything is acked, and stored once there is one again', async () => {
  const database = await ownPostgres({ max_connections: '24' });
  const { url } = database.server.current;
  const collector = await serve(url, temporaryFolder());
  const load = new Load({ url: collector.url, key: database.writeKey, clients: 4, pauseMs: 5 });
  await load.untilAcked(200);
  const hogs: pg.Client[] = [];
  const hog = async (): Promise<void> => {
    for (;;) {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => {});
      const isIn = await client.connect().then(
        () => true,
        () => false,
      );
      if (!isIn) return;
      hogs.push(client);
    }
  };
  await hog();
  await database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'milepost %'`,
  );
  for (let turn = 0; turn < 10; turn += 1) {
    await hog();
    await sleep(20);
  }
  await load.untilAcked(1_000);
  for (const client of hogs) await client.end();
  expect([...load.statuses.keys()]).toEqual([200]);
  await expectSound(database, collector, load);
}, 60_000);

test('kill -9 of PostgreSQL under load: it recovers, and nothing acked is missing', async () => {
  const database = await ownPostgres();
  const collector = await serve(database.server.current.url, temporaryFolder());
  const load = new Load({ url: collector.url, key: database.writeKey, clients: 4, pauseMs: 5 });
  for (let round = 0; round < 2; round += 1) {
    await load.untilAcked(400 + round * 90);
    process.kill(database.server.current.pid, 'SIGKILL');
    await load.untilAcked(200);
    database.server.current = await startedAgain(database.server.start);
  }
  await load.untilAcked(200);
  expect([...load.statuses.keys()]).toEqual([200]);
  await expectSound(database, collector, load);
}, 90_000);

test('the buffer full while PostgreSQL takes nothing: 503 says when to come back, and it recovers by itself', async () => {
  const database = await site();
  const collector = await serve(database.url, temporaryFolder(), { BUFFER_LIMIT_MB: '1' });
  const load = new Load({ url: collector.url, key: database.writeKey, clients: 4 });
  await load.untilAcked(200);
  const locker = await database.pool.connect();
  await locker.query('begin; lock table store.touchpoints in exclusive mode');
  while (!load.statuses.has(503)) await sleep(20);
  const refused = await fetch(`${collector.url}/v1/events?k=${database.writeKey}`, {
    method: 'POST',
    body: JSON.stringify({ batch: [{ id: newId(), name: 'x', properties: { text: 'x'.repeat(100_000) } }] }),
  });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10']);
  await locker.query('rollback');
  locker.release();
  await load.untilAcked(1_000);
  await expectSound(database, collector, load);
}, 60_000);

test('a clock that jumps by an hour to and fro loses nothing and doubles nothing', async () => {
  const database = await site();
  const jumping = `const now = Date.now; const at = now();
    Date.now = () => now() + [0, 3_600_000, -3_600_000][Math.floor((now() - at) / 300) % 3];`;
  const collector = await serve(database.url, temporaryFolder(), {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(jumping)}`,
  });
  const load = new Load({ url: collector.url, key: database.writeKey, clients: 4, pauseMs: 10 });
  await load.untilAcked(2_000);
  expect([...load.statuses.keys()]).toEqual([200]);
  await expectSound(database, collector, load);
}, 60_000);

/** Opens connections that end with the test. */
function openerOf({ url }: CollectorProcess): () => Socket {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  return () => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    sockets.push(socket);
    return socket;
  };
}

/** How many files this process may have open, and so one that it starts. */
function mostOpenFiles(): number {
  try {
    return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1_024);
  } catch {
    return 1_024; // not Linux
  }
}

// As many as promised where the system lets a process have so many.
const idle = Math.min(10_000, mostOpenFiles() - 500);

test(`${idle} idle connections stop nobody else`, async () => {
  const database = await site();
  const collector = await serve(database.url, temporaryFolder());
  const open = openerOf(collector);
  let connected = 0;
  for (let count = 1; count <= idle; count += 1) {
    open().on('connect', () => (connected += 1));
    if (count % 500 === 0) await sleep(10);
  }
  while (connected < idle) await sleep(20);
  const load = new Load({ url: collector.url, key: database.writeKey, clients: 4, pauseMs: 5 });
  await load.untilAcked(2_000);
  expect([...load.statuses.keys()]).toEqual([200]);
  await expectSound(database, collector, load);
}, 60_000);

test('clients that never read and bodies half sent stop nobody else', async () => {
  const database = await site();
  const collector = await serve(database.url, temporaryFolder());
  const open = openerOf(collector);
  const head = `POST /v1/events?k=${database.writeKey} HTTP/1.1\r\nHost: x\r\n`;
  for (let count = 0; count < 5; count += 1) {
    const body = JSON.stringify({ batch: Array.from({ length: 300 }, (_, index) => `${index}`) });
    // Each asks for some hundred answers of 20 KB, and takes none.
    open().pause().write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`.repeat(200));
    open().write(`${head}Content-Length: 1000000\r\n\r\n${'x'.repeat(500_000)}`);
  }
  const load = new Load({ url: collector.url, key: database.writeKey, clients: 4, pauseMs: 5 });
  await load.untilAcked(2_000);
  expect([...load.statuses.keys()]).toEqual([200]);
  await expectSound(database, collector, load);
}, 60_000);
