import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { createWebhook } from '@milepost/collector/deliver/webhooks';
import { Deriver } from '@milepost/collector/derive/derive';

import { type Report, say } from './report.ts';
import type { Stand } from './stand.ts';
import { rowsOf, storeTogether } from './traffic.ts';

const minute = 60_000;
const storedAtOnce = 5_000;

/**
 * Abandoned carts to a flaky receiver, with a deliverer that is killed on the way: each trigger must be taken, and under
 * one id. The receiver fails one in twenty, hangs up on one in fifty and says nothing to one in two hundred.
 */
export async function triggers(stand: Stand, report: Report, { count }: { count: number }): Promise<void> {
  const siteId = stand.sites[0]?.siteId ?? 0;
  const receiver = await flakyReceiver();
  await createWebhook(stand.pool, siteId, {
    url: receiver.url,
    description: '',
    types: ['cart.abandoned'],
    origins: ['live', 'late'],
    concurrency: 100,
    is_enabled: true,
  });
  const fireSeconds = await fire(stand, siteId, count);

  say(`triggers: ${count} to deliver, by two deliverers of which one is killed halfway`);
  const startedAt = performance.now();
  const [first, second] = [await deliverer(stand), await deliverer(stand)];
  while (receiver.taken.size < count / 2) await sleep(50);
  first.kill('SIGKILL');
  const third = await deliverer(stand);
  let left = count;
  while (left > 0) {
    await sleep(250);
    const { rows } = await stand.pool.query<{ left: number }>(
      "select count(*)::integer as left from store.webhook_deliveries where state in ('pending', 'sending')",
    );
    left = rows[0]?.left ?? 0;
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  for (const child of [second, third]) child.kill('SIGKILL');
  receiver.server.closeAllConnections();
  receiver.server.close();

  const { rows } = await stand.pool.query<{ delivered: number; ids: string[] }>(
    `select count(*) filter (where cart_triggers.state = 'delivered')::integer as delivered,
       array_agg(webhook_deliveries.delivery_id::text) as ids
     from store.cart_triggers
     join store.webhook_deliveries using (site_id, trigger_id)
     where webhook_deliveries.state = 'delivered'`,
  );
  const { delivered = 0, ids = [] } = rows[0] ?? {};
  const untaken = ids.filter((id) => !receiver.taken.has(id)).length;
  if (delivered !== count || untaken > 0 || receiver.taken.size !== count || receiver.carts.size !== count) {
    throw new Error(
      `of ${count} triggers ${delivered} stand as delivered, ${receiver.taken.size} were taken, of ${receiver.carts.size} carts`,
    );
  }
  report.add({
    name: 'triggers_delivered',
    figure: count / seconds,
    unit: 'triggers/s',
    bar: { at_least: 100 },
    details: {
      triggers: count,
      seconds,
      fire_seconds: fireSeconds,
      requests: receiver.requests(),
      taken_twice: receiver.twice(),
    },
  });
}

/** Leaves as many carts, one a person, and fires what is due about them. */
async function fire(stand: Stand, siteId: number, count: number): Promise<number> {
  say(`triggers: ${count} carts are left`);
  const deriver = await Deriver.open(stand.pool);
  try {
    const leftAt = Date.now() - 60 * minute;
    for (let from = 0; from < count; from += storedAtOnce) {
      const events = Array.from({ length: Math.min(storedAtOnce, count - from) }, (_, index) => ({
        id: `cart ${from + index}`,
        name: 'add_to_cart',
        anonymous_id: `browser ${from + index}`,
        occurred_at: leftAt,
        properties: {
          cart_id: `cart-${from + index}`,
          items: [{ item_id: 'boots', price: 59.9 }],
          currency: 'EUR',
        },
      }));
      await storeTogether(
        stand.pool,
        rowsOf(
          siteId,
          events.map((event) => JSON.stringify(event)),
        ),
      );
      while ((await deriver.deriveBatches()) > 0);
    }
    const startedAt = performance.now();
    await deriver.advanceClocks(new Date());
    let fired = 0;
    while (fired < count) fired += await deriver.fireTriggers(new Date());
    return (performance.now() - startedAt) / 1_000;
  } finally {
    await deriver.close();
  }
}

const program = fileURLToPath(new URL('deliverer.ts', import.meta.url));

async function deliverer(stand: Stand): Promise<ChildProcess> {
  const child = spawn(process.execPath, [program, stand.url], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

type Receiver = {
  server: Server;
  url: string;
  /** The ids that were answered with success. */
  taken: Set<string>;
  carts: Set<string>;
  requests: () => number;
  twice: () => number;
};

async function flakyReceiver(): Promise<Receiver> {
  const taken = new Set<string>();
  const carts = new Set<string>();
  let count = 0;
  let twice = 0;
  const server = createServer((request, response) => {
    count += 1;
    const number = count;
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      if (number % 200 === 0) return; // says nothing
      if (number % 50 === 0) {
        response.destroy();
      } else if (number % 20 === 0) {
        response.writeHead(503).end();
      } else {
        const id = String(request.headers['webhook-id']);
        if (taken.has(id)) twice += 1;
        taken.add(id);
        carts.add(/"cart_id": "([^"]+)"/.exec(text)?.[1] ?? '');
        response.writeHead(204).end();
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    server,
    url: `http://127.0.0.1:${port}/`,
    taken,
    carts,
    requests: () => count,
    twice: () => twice,
  };
}
