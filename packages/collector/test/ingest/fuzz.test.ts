import { Agent, request } from 'node:http';
import { newId } from '@milepost/shared';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';
import { drawOf, type HostileRequest, hostileRequest } from './hostile.ts';
import { residentMegabytes, serve, temporaryFolder } from './served.ts';

// Some hundred in the suite; MILEPOST_FUZZ_REQUESTS=1000000 looks longer, MILEPOST_FUZZ_SEED at others.
const requests = Number(process.env['MILEPOST_FUZZ_REQUESTS'] ?? 800);
const seed = Number(process.env['MILEPOST_FUZZ_SEED'] ?? 1);
const clients = 8;

test(`${requests} hostile requests: none is answered by a 5xx, and what comes after is stored`, async () => {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const { siteId, writeKey } = await createSite(database.pool);
  const collector = await serve(database.url, temporaryFolder(), { RATE_LIMIT: '0' });
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  onTestFinished(() => agent.destroy());
  const statuses = new Map<number, number>();
  const failed: { at: number; status: number; request: HostileRequest }[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (let at = next; at < requests; at = next) {
        next += 1;
        const hostile = hostileRequest(drawOf(seed * 1_000_003 + at), writeKey);
        const status = await statusOf(collector.url, hostile, agent);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status >= 500) failed.push({ at, status, request: hostile });
      }
    }),
  );
  expect(failed).toEqual([]);
  expect(statuses.get(200)).toBeGreaterThan(requests / 4);
  expect(residentMegabytes(collector.pid)).toBeLessThan(400);

  const id = newId();
  const body = JSON.stringify({ batch: [{ id, name: 'x', anonymous_id: 'ada', occurred_at: Date.now() }] });
  const last = await fetch(`${collector.url}/v1/events?k=${writeKey}`, { method: 'POST', body });
  expect(await last.json()).toEqual({ results: [{ id, status: 'accepted' }] });
  expect(await collector.end('SIGTERM')).toBe(0);
  const { rows } = await database.pool.query(
    `select
       (select count(*)::integer from store.touchpoints where site_id = $1 and touchpoint_id = $2) as stored,
       (select count(*)::integer from store.batches) as underived`,
    [siteId, id],
  );
  expect(rows).toEqual([{ stored: 1, underived: 0 }]);
}, 3_600_000);

/** The status of the answer; 0 where the connection was closed without one, as it may be in the middle of a body. */
function statusOf(
  url: string,
  { method, url: path, headers, body }: HostileRequest,
  agent: Agent,
): Promise<number> {
  return new Promise((resolve) => {
    const sent = request(`${url}${path}`, { method, headers, agent }, (answer) => {
      answer.resume().on('close', () => resolve(answer.statusCode ?? 0));
    });
    sent.on('error', () => resolve(0));
    sent.end(body);
  });
}
