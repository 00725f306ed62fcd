/** `milepost webhook`. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buys, deliver, happen, receiver, settled } from '../deliver/fixture.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { milepost, type Ended } from '../support/program.ts';
import { createSite, type TestSite } from '../support/site.ts';

let database: TestDatabase;
let site: TestSite;
beforeAll(async () => {
  database = await createDatabase();
  site = await createSite(database.pool);
});
afterAll(() => database.drop());

const run = (args: string[]): Promise<Ended> =>
  milepost(['webhook', ...args], { DATABASE_URL: database.url, WEBHOOK_TARGETS: 'any' });
const json = async <Answer>(args: string[]): Promise<Answer> => {
  const { code, stdout, stderr } = await run([...args, '--json']);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout) as Answer;
};

test('a webhook is made, tried, looked at, replayed and deleted', async () => {
  const to = await receiver();
  const number = String(site.siteId);
  const made = await json<{ webhook_id: string; secret: string }>([
    'create',
    to.url,
    '--site',
    number,
    '--type',
    'order.placed',
  ]);
  expect(made.secret).toMatch(/^whsec_/);
  const id = made.webhook_id;
  expect(await json(['list', '--site', number])).toMatchObject([{ webhook_id: id, is_enabled: true }]);

  deliver(database.pool);
  expect(await json(['ping', id])).toMatchObject({ state: 'delivered', last_status: 204 });
  await happen(database.pool, site, [buys('ada')]);
  await settled(database.pool, id, 2);
  const deliveries = await json<{ delivery_id: string; type: string }[]>(['deliveries', id]);
  expect(deliveries.map(({ type }) => type).sort()).toEqual(['order.placed', 'webhook.ping']);
  const order = deliveries.find(({ type }) => type === 'order.placed')!;
  expect(await json(['replay', id, '--delivery', order.delivery_id])).toMatchObject({ replayed: 1 });
  await settled(database.pool, id, 2);
  const since = new Date(Date.now() - 60_000).toISOString();
  expect(await json(['replay', id, '--since', since, '--state', 'failed'])).toMatchObject({ replayed: 0 });
  expect(to.received.map(({ body }) => body.type)).toEqual(['webhook.ping', 'order.placed', 'order.placed']);

  expect(await json(['delete', id])).toMatchObject({ deleted: true });
  expect(await json(['list', '--site', number])).toEqual([]);
}, 60_000);

test.each([
  [['create', 'https://shop.example/', '--site', '1', '--type', 'cart.sold'], /there is no type cart\.sold/],
  [['create', 'shop.example', '--site', '1', '--type', 'cart.abandoned'], /the address is not a URL/],
  [['ping', 'x'], /there is no such webhook/],
  [['delete', '0199a5d2-7c00-7000-8000-000000000001'], /there is no such webhook/],
])('%j is refused in a sentence', async (args, sentence) => {
  const { code, stderr } = await run(args);
  expect(code).toBe(1);
  expect(stderr).toMatch(sentence);
  expect(stderr).not.toMatch(/\n.+\n/);
});
