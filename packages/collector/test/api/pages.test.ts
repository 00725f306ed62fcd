import { randomUUID } from 'node:crypto';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSite } from '../support/site.ts';
import type { TestSite } from '../support/site.ts';
import type { Given } from '../derive/given.ts';
import { given, rowsOf, startApi } from './fixture.ts';
import type { ListAnswer, TestApi } from './fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

// Two days ago, so that carts are abandoned; seven to a minute, so that pages end in the middle of equal times.
const start = Date.now() - 48 * 3_600_000;
const at = (index: number) => start + Math.floor(index / 7) * 60_000;
const several = (count: number, make: (index: number) => Given): Given[] =>
  Array.from({ length: count }, (_, index) => make(index));

const putIntoCart = (count: number) =>
  several(count, (index) => ({
    at: at(index),
    name: 'add_to_cart',
    anonymous_id: randomUUID(),
    properties: { currency: 'EUR', items: [{ item_id: 'boots-42', price: 59.9, quantity: 1 }] },
  }));
const buy = (count: number, who: () => object) =>
  several(count, (index) => ({
    at: at(index),
    name: 'purchase',
    properties: { transaction_id: randomUUID(), currency: 'EUR', value: 59.9 },
    ...who(),
  }));
const join = (count: number, account: () => object) =>
  several(count, (index) => ({ at: at(index), type: 'group' as const, user_id: randomUUID(), ...account() }));
const buyAsStrangers = (count: number) => buy(count, () => ({ anonymous_id: randomUUID() }));

/** A list, the name of its rows and what tells them apart, and touchpoints that make rows of it. */
const lists = [
  { url: '/v1/stages/decision/persons', name: 'persons', key: 'person_id', make: putIntoCart },
  { url: '/v1/transitions?order=newest', name: 'transitions', key: 'transition_id', make: buyAsStrangers },
  { url: '/v1/transitions?order=oldest', name: 'transitions', key: 'transition_id', make: buyAsStrangers },
  {
    url: '/v1/persons/ADA/transitions',
    name: 'transitions',
    key: 'transition_id',
    // each purchase is a transition, whatever came before it
    make: (count: number) => buy(count, () => ({ user_id: 'ada' })),
  },
  { url: '/v1/carts?state=abandoned', name: 'carts', key: 'cart_key', make: putIntoCart },
  { url: '/v1/carts?order=oldest', name: 'carts', key: 'cart_key', make: putIntoCart },
  {
    url: '/v1/accounts',
    name: 'accounts',
    key: 'account_id',
    make: (count: number) => join(count, () => ({ account_id: randomUUID() })),
  },
  {
    url: '/v1/accounts/acme%2Ffrance?members=all',
    name: 'members',
    key: 'person_id',
    make: (count: number) => join(count, () => ({ account_id: 'acme/france' })),
  },
  { url: '/v1/orders', name: 'orders', key: 'order_id', make: buyAsStrangers },
];

const withParameter = (url: string, text: string) => `${url}${url.includes('?') ? '&' : '?'}${text}`;

describe.each(lists)('$url', (list) => {
  let site: TestSite;
  let url: string;
  beforeAll(async () => {
    site = await createSite(api.pool);
    await given(api, site, list.make(101));
    url = list.url;
    if (!url.includes('ADA')) return;
    const ada = await api.get('/v1/persons?user_id=ada', site.secretKey);
    url = url.replace('ADA', ada.json<{ person_id: string }>().person_id);
  });

  test('each row is seen exactly once while rows are inserted', async () => {
    const before = rowsOf(await api.get(withParameter(url, 'limit=1000'), site.secretKey), list.name);
    expect(before).toHaveLength(101);

    const seen: unknown[] = [];
    let cursor: string | null = '';
    for (let page = 0; cursor !== null; page += 1) {
      const answer = await api.get(
        withParameter(url, `limit=30${cursor && `&cursor=${cursor}`}`),
        site.secretKey,
      );
      expect(answer.statusCode).toBe(200);
      seen.push(...rowsOf(answer, list.name).map((row) => row[list.key]));
      cursor = answer.json<ListAnswer>().next_cursor;
      if (page < 3) await given(api, site, list.make(30));
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(expect.arrayContaining(before.map((row) => row[list.key])));
  });

  test('the Link header leads through the same pages', async () => {
    const whole = await api.get(withParameter(url, 'limit=1000'), site.secretKey);
    expect(whole.headers.link).toBeUndefined();
    const seen: unknown[] = [];
    let next: string | undefined = withParameter(url, 'limit=50');
    while (next !== undefined) {
      const answer = await api.get(next, site.secretKey);
      seen.push(...rowsOf(answer, list.name));
      next = /^<(.+)>; rel="next"$/.exec(String(answer.headers.link))?.[1];
    }
    expect(seen).toEqual(rowsOf(whole, list.name));
  });

  // a list that stands within a resource has no form of its own
  if (list.name !== 'members') {
    test('CSV has the rows and the names of the JSON', async () => {
      const json = rowsOf(await api.get(withParameter(url, 'limit=20'), site.secretKey), list.name);
      const answer = await api.get(withParameter(url, 'limit=20'), site.secretKey, { accept: 'text/csv' });
      expect(answer.headers['content-type']).toBe('text/csv; charset=utf-8');
      expect(answer.headers.vary).toMatch(/accept/i);
      expect(answer.headers.link).toMatch(/rel="next"/);
      const lines = parse<Record<string, string>>(answer.body, { columns: true });
      expect(Object.keys(lines[0] ?? {})).toEqual(Object.keys(json[0] ?? {}));
      expect(lines.map((line) => line[list.key])).toEqual(json.map((row) => row[list.key]));
    });
  }

  test('a cursor opens the same page every time, whatever the limit', async () => {
    const first = (await api.get(withParameter(url, 'limit=10'), site.secretKey)).json<ListAnswer>();
    const again = (await api.get(withParameter(url, 'limit=10'), site.secretKey)).json<ListAnswer>();
    expect(again.next_cursor).toBe(first.next_cursor);
    const next = await api.get(withParameter(url, `limit=3&cursor=${first.next_cursor}`), site.secretKey);
    expect(rowsOf(next, list.name)).toHaveLength(3);
  });

  test('a tampered cursor, one of another list and one of another site are refused', async () => {
    const { next_cursor: cursor } = (
      await api.get(withParameter(url, 'limit=10'), site.secretKey)
    ).json<ListAnswer>();
    const elsewhere = url.startsWith('/v1/orders') ? '/v1/carts' : '/v1/orders';
    const other = await createSite(api.pool);
    const answers = await Promise.all([
      api.get(withParameter(url, `cursor=${cursor?.slice(0, -1)}`), site.secretKey),
      api.get(withParameter(url, `cursor=x${cursor}`), site.secretKey),
      api.get(withParameter(url, 'cursor=%00'), site.secretKey),
      api.get(withParameter(elsewhere, `cursor=${cursor}`), site.secretKey),
      api.get(withParameter(url, `cursor=${cursor}`), other.secretKey),
    ]);
    for (const answer of answers) {
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({ type: '/problems/invalid-cursor' });
    }
  });

  test.each(['0', '1001', '-1', '1.5', 'ten', ''])('limit=%s is refused', async (limit) => {
    const answer = await api.get(withParameter(url, `limit=${limit}`), site.secretKey);
    expect(answer.statusCode).toBe(400);
    expect(answer.json<{ detail: string }>().detail).toMatch('`limit`');
  });

  test('another site sees nothing of it', async () => {
    const other = await createSite(api.pool);
    const answer = await api.get(url, other.secretKey);
    if (answer.statusCode === 404) return; // the person is not of that site
    expect(rowsOf(answer, list.name)).toEqual([]);
  });
});

test('a text that a spreadsheet would run is defused in CSV alone', async () => {
  const site = await createSite(api.pool);
  const formula = '=HYPERLINK("https://evil.example")';
  await given(api, site, [{ at: start, name: 'add_to_cart', user_id: formula }]);
  const csv = await api.get('/v1/stages/decision/persons', site.secretKey, { accept: 'text/csv' });
  expect(parse<Record<string, string>>(csv.body, { columns: true })[0]?.user_id).toBe(`'${formula}`);
  const json = await api.get('/v1/stages/decision/persons', site.secretKey);
  expect(json.json()).toMatchObject({ persons: [{ user_id: formula }] });
});
