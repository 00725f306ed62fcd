import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite } from '../support/site.ts';
import type { TestSite } from '../support/site.ts';
import { given, rowsOf, startApi } from './fixture.ts';
import type { TestApi } from './fixture.ts';

let api: TestApi;
let site: TestSite;
beforeAll(async () => {
  api = await startApi();
  site = await createSite(api.pool);
});
afterAll(() => api.stop());

const post = (payload: string | Buffer, headers: Record<string, string> = {}) =>
  api.app.inject({
    method: 'POST',
    url: '/v1/rates',
    headers: { authorization: `Bearer ${site.secretKey}`, ...headers },
    payload,
  });

const ecb = 'Date,USD,JPY,\n2024-01-03,1.0919,156.16,\n2024-01-02,1.0956,155.68,\n';

test.each([
  { what: 'the ECB’s CSV', body: ecb, headers: { 'content-type': 'text/csv' }, rates: 4, days: 2 },
  {
    what: 'the same packed',
    body: gzipSync(ecb),
    headers: { 'content-encoding': 'gzip' },
    rates: 4,
    days: 2,
  },
  {
    what: 'JSON',
    body: '{"rates":[{"day":"2024-01-02","currency":"USD","rate":1.0956}]}',
    headers: { 'content-type': 'application/json' },
    rates: 1,
    days: 1,
  },
  {
    what: 'JSON under another name',
    body: '[{"day":"2024-01-02","currency":"USD","rate":1.0956}]',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    rates: 1,
    days: 1,
  },
])('$what is taken', async ({ body, headers, rates, days }) => {
  const answer = await post(body, headers);
  expect(answer.statusCode).toBe(200);
  expect(answer.json()).toMatchObject({ rates, days });
});

test('a day that comes again is replaced, and orders of it follow', async () => {
  await given(api, site, [
    {
      at: '2024-01-02T10:00Z',
      name: 'purchase',
      anonymous_id: 'ada',
      properties: { transaction_id: 'o-1', value: 110, currency: 'USD' },
    },
  ]);
  const orders = async () => {
    while (await api.deriver.deriveRateChanges());
    return rowsOf(await api.get('/v1/orders', site.secretKey), 'orders');
  };
  await post('2024-01-02,USD,1.1');
  expect(await orders()).toMatchObject([{ gross: '110.00', gross_site: '100.00', net_site: '100.00' }]);
  expect((await post('2024-01-02,USD,2.2')).json()).toEqual({ days: 1, rates: 1, changed_days: 1 });
  expect(await orders()).toMatchObject([{ gross_site: '50.00' }]);
  await post('2024-01-02,CHF,0.9');
  expect(await orders()).toMatchObject([{ gross: '110.00', gross_site: null, net_site: null }]);
});

test('what cannot be read is refused whole, with its place and without its words', async () => {
  const answer = await post('day,currency,rate\n2030-01-02,USD,1.1\n2030-01-03,USD,hocuspocus');
  expect(answer.statusCode).toBe(400);
  expect(answer.json()).toMatchObject({
    type: '/problems/invalid-rates',
    detail: expect.stringMatching(/^Line 3:/),
  });
  expect(answer.body).not.toMatch('hocuspocus');
  const { rows } = await api.pool.query(`select from store.rates where day >= '2030-01-01'`);
  expect(rows).toEqual([]);
});

test.each([
  { what: 'an empty body', body: '', status: 400, type: 'invalid-rates' },
  { what: 'gzip that is none', body: Buffer.from([0x1f, 0x8b, 0, 0]), status: 400, type: 'malformed-gzip' },
  { what: 'more than 4 MiB', body: ' '.repeat(4 * 1024 * 1024 + 1), status: 413, type: 'body-too-large' },
])('$what answers $status', async ({ body, status, type }) => {
  const answer = await post(body);
  expect(answer.statusCode).toBe(status);
  expect(answer.json()).toMatchObject({ type: `/problems/${type}` });
});

test('needs a secret key with write:rates', async () => {
  const { secretKey } = await createSite(api.pool, { scopes: ['read:orders', 'write:events'] });
  const answers = await Promise.all(
    [site.writeKey, secretKey, 'sk_nope'].map((key) => post(ecb, { authorization: `Bearer ${key}` })),
  );
  expect(answers.map((answer) => answer.json<{ type: string }>().type)).toEqual([
    '/problems/secret-key-required',
    '/problems/missing-scope',
    '/problems/unknown-key',
  ]);
  const { secretKey: only } = await createSite(api.pool, { scopes: ['write:rates'] });
  expect((await post(ecb, { authorization: `Bearer ${only}` })).statusCode).toBe(200);
});
