import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { MadeLink } from '../../src/ingest/links/make.ts';
import { CollectorProcess, freePort } from '../ingest/process.ts';
import { createDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';

/** Sends again and again, as often as it is answered, until it is stopped; nobody answering is no reason to stop. */
function repeat(send: (n: number) => Promise<void>): { stop: () => Promise<void> } {
  let isStopping = false;
  const running = (async () => {
    for (let n = 0; !isStopping; n += 1) await send(n).catch(() => sleep(20));
  })();
  return {
    stop() {
      isStopping = true;
      return running;
    },
  };
}

test('kill -9 under calls, opens and clicks: nothing that was answered is missing, no call is there twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'milepost-crash-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const database = await createDatabase();
  onTestFinished(database.drop);
  const { siteId, writeKey, secretKey } = await createSite(database.pool);
  const collector = new CollectorProcess({ databaseUrl: database.url, folder, port: await freePort() });
  onTestFinished(() => collector.end('SIGKILL').then(() => {}));
  await collector.start();

  const made = await fetch(`${collector.url}/v1/links`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secretKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ user_id: 'ada', target: 'https://shop.example/' }),
  });
  const link = (await made.json()) as MadeLink;

  const acked = { ids: new Set<string>(), idless: 0, clicks: 0, opens: 0 };
  const sent = { idless: 0, clicks: 0, opens: 0 };
  const calls = repeat(async (n) => {
    const ids = Array.from({ length: 20 }, (_, index) => `call-${n}-${index}`);
    sent.idless += 1;
    const answer = await fetch(`${collector.url}/v1/batch`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${writeKey}:`)}` },
      body: JSON.stringify({
        batch: [
          ...ids.map((messageId) => ({ messageId, userId: 'ada', event: 'With an id' })),
          { userId: 'ada', event: 'Without one' },
        ],
      }),
    });
    if (!answer.ok) return;
    acked.idless += 1;
    for (const id of ids) acked.ids.add(id);
  });
  const clicks = repeat(async () => {
    sent.clicks += 1;
    const answer = await fetch(link.click_url!, { redirect: 'manual', headers: { 'user-agent': 'Firefox' } });
    if (answer.status === 302) acked.clicks += 1;
  });
  const opens = repeat(async () => {
    sent.opens += 1;
    if ((await fetch(link.pixel_url, { headers: { 'user-agent': 'Firefox' } })).ok) acked.opens += 1;
  });

  for (let round = 1; round <= 2; round += 1) {
    const enough = () =>
      acked.ids.size >= round * 400 && acked.clicks >= round * 10 && acked.opens >= round * 10;
    await expect.poll(enough, { timeout: 30_000 }).toBe(true);
    await collector.end('SIGKILL');
    await collector.start();
  }
  await Promise.all([calls, clicks, opens].map((load) => load.stop()));
  expect(await collector.end('SIGTERM')).toBe(0);

  const { rows } = await database.pool.query<{ name: string; given_id: string }>(
    'select name, given_id from store.touchpoints where site_id = $1',
    [siteId],
  );
  const of = (name: string) => rows.filter((row) => row.name === name);
  const ids = of('With an id').map(({ given_id }) => given_id);
  expect(new Set(ids).size).toBe(ids.length);
  expect([...acked.ids].filter((id) => !ids.includes(id))).toEqual([]);
  for (const [name, least, most] of [
    ['Without one', acked.idless, sent.idless],
    ['email_clicked', acked.clicks, sent.clicks],
    ['email_opened', acked.opens, sent.opens],
  ] as const) {
    expect(of(name).length).toBeGreaterThanOrEqual(least);
    expect(of(name).length).toBeLessThanOrEqual(most);
  }
}, 120_000);
