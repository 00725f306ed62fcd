import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idAt, timeOf } from '../derive/given.ts';
import type { Given } from '../derive/given.ts';
import { createSite } from '../support/site.ts';
import type { TestSite } from '../support/site.ts';
import { given, startApi } from './fixture.ts';
import type { TestApi } from './fixture.ts';

// The examples of the documentation are real answers about this small story. After a change that is meant to show:
// UPDATE_EXAMPLES=1 npm test -- packages/collector/test/api/examples, then read the difference.

const secret = Buffer.alloc(32, 7);
const boots = { item_id: 'boots-42', item_name: 'Hiking boots', price: 59.9, quantity: 1 };
const tent = { item_id: 'tent-2', item_name: 'Tent for two', price: 89, quantity: 1 };

const told: Given[] = [
  { at: '2026-11-20T08:00:00Z', name: 'page_view', anonymous_id: 'browser-2' },
  { at: '2026-11-20T08:05:00Z', name: 'view_item', anonymous_id: 'browser-2', properties: { items: [tent] } },
  {
    at: '2026-11-20T08:09:00Z',
    name: 'add_to_cart',
    anonymous_id: 'browser-2',
    properties: { cart_id: 'c-1000', currency: 'EUR', items: [tent] },
  },
  {
    at: '2026-11-20T08:12:00Z',
    name: 'purchase',
    anonymous_id: 'browser-2',
    user_id: 'ben',
    properties: { transaction_id: 'o-2001', cart_id: 'c-1000', currency: 'EUR', value: 89, items: [tent] },
  },
  { at: '2026-11-20T09:00:00Z', name: 'page_view', anonymous_id: 'browser-1' },
  {
    at: '2026-11-20T09:01:10Z',
    name: 'view_item',
    anonymous_id: 'browser-1',
    properties: { items: [boots] },
  },
  {
    at: '2026-11-20T09:03:00Z',
    type: 'identify',
    anonymous_id: 'browser-1',
    user_id: 'ada',
    traits: { first_name: 'Ada', email: 'ada@example.com' },
  },
  {
    at: '2026-11-20T09:04:30Z',
    name: 'add_to_cart',
    anonymous_id: 'browser-1',
    properties: { cart_id: 'c-1001', currency: 'EUR', items: [boots] },
  },
  {
    at: '2026-11-20T09:06:00Z',
    name: 'begin_checkout',
    anonymous_id: 'browser-1',
    properties: { cart_id: 'c-1001', currency: 'EUR', items: [boots] },
  },
  { at: '2026-11-20T10:00:00Z', name: 'page_view', anonymous_id: 'browser-3' },
  {
    at: '2026-11-20T09:03:00Z',
    type: 'group',
    anonymous_id: 'browser-1',
    user_id: 'ada',
    account_id: 'acme',
    traits: { name: 'Acme Ltd', employees: 40, role: 'buyer' },
  },
  {
    at: '2026-11-20T08:12:00Z',
    type: 'group',
    anonymous_id: 'browser-2',
    user_id: 'ben',
    account_id: 'acme',
    traits: { role: 'approver' },
  },
];
const story = told.map((touchpoint, index) => ({
  id: idAt(timeOf(touchpoint.at), index + 1),
  ...touchpoint,
}));

type Operation = {
  operationId: string;
  tags: string[];
  security: object[];
  parameters?: { name: string; in: 'query' | 'path' | 'header'; example?: string | number }[];
  responses: Record<string, { content: Record<string, { example: unknown }> }>;
};

let api: TestApi;
let site: TestSite;
beforeAll(async () => {
  api = await startApi();
  site = await createSite(api.pool, {
    scopes: [
      'read:stages',
      'read:persons',
      'read:carts',
      'read:orders',
      'read:settings',
      'read:changes',
      'read:webhooks',
      'read:rejected',
    ],
  });
  await api.pool.query('update store.sites set person_secret = $2 where site_id = $1', [site.siteId, secret]);
  await given(api, site, story, new Date('2026-11-20T12:00Z'));
  await api.pool.query("update store.changes set recorded_at = '2026-11-20T12:00:01Z'"); // else of this run
  await tellWebhook();
  await rejectEvent();
});
afterAll(() => api.stop());

/** A webhook and what it was told of Ben's order. */
async function tellWebhook(): Promise<void> {
  const at = '2026-11-20T12:00:02Z';
  const keys = [site.siteId, '5b1c0f6e-7f0e-4f0a-9a52-2f6f5f1d9c11'];
  await api.pool.query(
    `insert into store.webhooks (site_id, webhook_id, url, description, types, cursor, created_at, updated_at)
     values ($1, $2, 'https://shop.example/hooks/milepost', 'Confirmations', '{order.placed,checkout.abandoned}', 0, $3, $3)`,
    [...keys, '2026-11-20T08:00:00Z'],
  );
  await api.pool.query(
    `insert into store.webhook_deliveries as deliveries
       (site_id, delivery_id, webhook_id, cursor, type, person_id, state, created_at, attempt_count, delivered_at)
     select $1, $3, $2, cursor, type, person_id, 'delivered', $4, 1, $4
     from store.changes where site_id = $1 and type = 'order.placed' and subject_id = 'o-2001'`,
    [...keys, deliveryId, at],
  );
  await api.pool.query(
    'update store.webhook_deliveries set body = store.webhook_body(webhook_deliveries, null) where delivery_id = $1',
    [deliveryId],
  );
  await api.pool.query(
    `insert into store.webhook_attempts (site_id, delivery_id, attempt, started_at, ended_at, status, headers, answer)
     values ($1, $2, 1, $3, $3, 200, '{"content-type": "text/plain"}', 'thanks')`,
    [site.siteId, deliveryId, at],
  );
}
/** An event that was rejected, then repaired. */
async function rejectEvent(): Promise<void> {
  await api.pool.query(
    `insert into store.rejected_events
       (site_id, rejected_id, received_at, reason, detail, event, ingested_by, replayed_at, replay_result, touchpoint_id)
     values ($1, '019aa0a5-1a40-8d7c-9b1e-2f5c8a7d4e60', '2026-11-20T09:00:00Z', 'bad_time',
       '/occurred_at: no readable time', '{"id":"R-2","name":"purchase","user_id":"ada","occurred_at":"soon"}', 'events',
       '2026-11-20T10:00:00Z', 'stored', '00000000-0000-8d2b-9c3e-5a7f1e2d4c6b')`,
    [site.siteId],
  );
}

const deliveryId = '0c9a7a3c-52f7-8d0b-8c1e-3f2b6f1d9c22';

/** The request that the examples of an operation's parameters make together. */
function requestOf(path: string, { parameters = [] }: Operation) {
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  let filled = path;
  for (const { name, in: place, example } of parameters) {
    if (example === undefined) continue;
    if (place === 'path') filled = filled.replace(`{${name}}`, encodeURIComponent(String(example)));
    else if (place === 'header') headers[name] = String(example);
    else query.set(name, String(example));
  }
  return { url: query.size === 0 ? filled : `${filled}?${query.toString()}`, headers };
}

/** Ingestion's own routes, which a process in the role `api` alone has not; test/segment and test/links read them. */
const isIngestion = ({ tags: [tag] }: Operation) => tag === 'Segment' || tag === 'Links';

test('every example of the OpenAPI document is what its request answers', async () => {
  const { paths } = (await api.app.inject('/openapi.json')).json<{
    paths: Record<string, { get?: Operation }>;
  }>();
  const documented: Record<string, unknown> = {};
  const answered: Record<string, unknown> = {};
  for (const [path, { get: operation }] of Object.entries(paths)) {
    if (operation === undefined || isIngestion(operation)) continue;
    // a stream never ends; changes.test.ts reads it
    if ('text/event-stream' in operation.responses['200']!.content) continue;
    const { url, headers } = requestOf(path, operation);
    const isForPages = operation.security.some((way) => 'writeKey' in way);
    const answer = await api.get(url, isForPages ? site.writeKey : site.secretKey, headers);
    expect(answer.statusCode, path).toBe(200);
    documented[operation.operationId] = operation.responses['200']?.content['application/json']?.example;
    answered[operation.operationId] = answer.json();
  }
  if (process.env['UPDATE_EXAMPLES'] !== undefined) {
    const file = new URL('../../src/api/examples.json', import.meta.url);
    writeFileSync(file, `${JSON.stringify(answered, null, 2)}\n`);
    return;
  }
  expect(documented).toEqual(answered);
});

const guideFile = new URL('../../../../docs/api.md', import.meta.url);
const guide = readFileSync(guideFile, 'utf8');
const blocks = /^curl (.*)'http:\/\/127\.0\.0\.1:4000([^']+)'\n```\n+```(json|csv)\n([^]*?)```/gm;
const shown = [...guide.matchAll(blocks)].map(([, options = '', url = '', form = '', text = '']) => {
  return { accept: /'Accept: ([^']+)'/.exec(options)?.[1], options, url, form, text };
});

test('the guide shows requests with their answers', () => {
  expect(shown.length).toBeGreaterThanOrEqual(6);
  expect(guide.match(/^curl /gm)).toHaveLength(shown.length);
});

test.each(shown)('the guide is right about $url', async ({ accept, options, url, form, text }) => {
  expect(options).toMatch('"Authorization: Bearer $MILEPOST_KEY"');
  const answer = await api.get(url, site.secretKey, accept === undefined ? {} : { accept });
  expect(answer.statusCode).toBe(200);
  const body =
    form === 'json' ? `${JSON.stringify(answer.json(), null, 2)}\n` : answer.body.replaceAll('\r\n', '\n');
  if (process.env['UPDATE_EXAMPLES'] === undefined) expect(body).toBe(text);
  else
    writeFileSync(
      guideFile,
      readFileSync(guideFile, 'utf8').replace(`\n${text}\`\`\``, () => `\n${body}\`\`\``),
    );
});
