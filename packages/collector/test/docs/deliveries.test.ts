/** The programs of the guides to webhooks and to the change feed, run as they stand. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Webhook } from 'standardwebhooks';
import { startApi } from '../api/fixture.ts';
import type { TestApi } from '../api/fixture.ts';
import { buys, deliver, happen, leavesCart, receiver, settled, until, webhook } from '../deliver/fixture.ts';
import { createSite } from '../support/site.ts';
import { blocksOf, root, textOf } from './markdown.ts';

let api: TestApi;
let url: string;
// within the package, so that programs find what it has installed
const folder = mkdtempSync(join(root, 'packages/collector/node_modules/.guides-'));
beforeAll(async () => {
  api = await startApi();
  url = await api.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await api.stop();
  rmSync(folder, { recursive: true });
});

/** Starts the program that a guide shows. */
function program(file: string, env: Record<string, string>): ChildProcess {
  const code = blocksOf(textOf(file)).find(({ language }) => language === 'js')!.text;
  const path = join(folder, `${file.replaceAll('/', '-')}.mjs`);
  writeFileSync(path, code);
  const child = spawn(process.execPath, [path], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
    cwd: folder,
  });
  onTestFinished(() => ended(child));
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('the receiver of the guide mails about an abandoned cart, once, and takes nothing that is not signed', async () => {
  const site = await createSite(api.pool);
  const mails = await receiver();
  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  const { webhookId, secret } = await webhook(api.pool, site, { url: address, types: ['cart.abandoned'] });
  program('docs/abandoned-cart-mail.md', {
    MILEPOST_WEBHOOK_SECRET: secret,
    MAIL_URL: mails.url,
    PORT: String(port),
  });
  await until(async () => (await fetch(address).catch(() => ({ status: 0 }))).status === 401);

  deliver(api.pool);
  await happen(api.pool, site, [leavesCart('ada'), leavesCart('nobody-we-know')]);
  const rows = await settled(api.pool, webhookId, 2);
  expect(rows.map(({ state }) => state)).toEqual(['delivered', 'delivered']);
  expect(mails.received.map(({ body }) => body)).toEqual([
    {
      to: 'ada@example.org',
      subject: 'Still thinking about it?',
      text: 'Your cart is waiting:\n- 2 × Boots\nTogether €119.80.\nhttps://shop.example/cart/ada',
    },
  ]);

  const { rows: sent } = await api.pool.query<{ body: string; delivery_id: string }>(
    `select body, delivery_id from store.webhook_deliveries where webhook_id = $1 and body like '%cart-ada%'`,
    [webhookId],
  );
  const [{ body, delivery_id: id }] = sent as [(typeof sent)[number]];
  const post = (key: string, text: string) => {
    const at = new Date();
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': new Webhook(key).sign(id, at, body),
    };
    return fetch(address, { method: 'POST', headers, body: text });
  };
  expect((await post(secret, body)).status).toBe(204); // again
  expect((await post(secret, body.replace('119.8', '1'))).status).toBe(401);
  expect((await post('whsec_c29tZWJvZHkgZWxzZQ==', body)).status).toBe(401);
  expect(mails.received).toHaveLength(1);
}, 60_000);

test('the program of the guide keeps a CRM up to date, also after it was ended and after the feed was dropped', async () => {
  const site = await createSite(api.pool, {
    scopes: ['read:changes', 'read:stages', 'read:persons'],
  });
  const contacts = new Map<string, Record<string, string>>();
  const hubspot = await receiver((request, response) => {
    const { inputs } = request.body as unknown as {
      inputs: { id: string; properties: Record<string, string> }[];
    };
    for (const { id, properties } of inputs) contacts.set(id, properties);
    response.writeHead(200).end('{}');
  });
  const env = {
    MILEPOST_URL: url,
    MILEPOST_KEY: site.secretKey,
    HUBSPOT_URL: hubspot.url,
    HUBSPOT_TOKEN: 'secret',
    CURSOR_FILE: join(folder, 'crm.cursor'),
  };
  const looks = (who: string) => ({ at: Date.now() - 60_000, name: 'view_item', user_id: who });
  await happen(api.pool, site, [looks('ada'), looks('ben')]);

  const first = program('docs/crm.md', env);
  await until(() => contacts.size === 2);
  expect(contacts.get('ada')).toEqual({
    shop_customer_id: 'ada',
    lifecyclestage: 'lead',
    journey_stage: 'consideration',
  });
  await happen(api.pool, site, [{ ...buys('ada'), at: Date.now() - 1_000 }]);
  await until(() => contacts.get('ada')?.['lifecyclestage'] === 'customer');
  await sleep(1_200); // so that the cursor is kept
  await ended(first);

  await happen(api.pool, site, [{ ...buys('ben'), at: Date.now() - 1_000 }]); // while it is down
  const second = program('docs/crm.md', env);
  await until(() => contacts.get('ben')?.['lifecyclestage'] === 'customer');
  await ended(second);

  contacts.clear();
  await happen(api.pool, site, [looks('cy')]);
  await api.pool.query(
    "update store.changes set recorded_at = now() - interval '91 days' where site_id = $1",
    [site.siteId],
  );
  await api.pool.query('select store.drop_old_changes(now(), 1000)');
  program('docs/crm.md', env);
  await until(() => contacts.size === 3); // everybody, once
}, 60_000);
