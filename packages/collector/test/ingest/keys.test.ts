import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKey } from '../../src/database/keys.ts';
import { createSite, type TestSite } from '../support/site.ts';
import { kept, startCollector, touchpoint, type TestCollector } from './collector.ts';

let collector: TestCollector;
let site: TestSite;
let other: TestSite;
let readOnlyKey: string;

beforeAll(async () => {
  collector = await startCollector();
  const { pool } = collector.database;
  site = await createSite(pool);
  other = await createSite(pool);
  ({ key: readOnlyKey } = await createKey(pool, {
    siteId: site.siteId,
    kind: 'secret',
    scopes: ['read:stages'],
  }));
});
afterAll(() => collector.stop());

type Where = {
  bearer?: string;
  basic?: string;
  query?: string;
  writeKey?: string;
  write_key?: string;
  origin?: string;
};

function post({ bearer, basic, query, origin, ...inBody }: Where) {
  const authorization =
    bearer !== undefined
      ? `Bearer ${bearer}`
      : basic !== undefined
        ? `Basic ${Buffer.from(basic).toString('base64')}`
        : undefined;
  return collector.app.inject({
    method: 'POST',
    url: `/v1/events${query === undefined ? '' : `?${query}`}`,
    headers: { ...(authorization && { authorization }), ...(origin && { origin }) },
    payload: JSON.stringify({ ...inBody, batch: [touchpoint()] }),
  });
}

describe('a write key is taken from', () => {
  test.each<{ place: string; where: () => Where }>([
    { place: 'Authorization: Bearer', where: () => ({ bearer: site.writeKey }) },
    { place: 'the user name of HTTP Basic', where: () => ({ basic: `${site.writeKey}:` }) },
    { place: 'the user name of HTTP Basic with a password', where: () => ({ basic: `${site.writeKey}:x` }) },
    { place: '?k=', where: () => ({ query: `k=${site.writeKey}` }) },
    { place: 'writeKey in the body', where: () => ({ writeKey: site.writeKey }) },
    { place: 'write_key in the body', where: () => ({ write_key: site.writeKey }) },
    {
      place: 'all of them at once',
      where: () => ({
        basic: `${site.writeKey}:`,
        query: `k=${site.writeKey}&k=${site.writeKey}`,
        writeKey: site.writeKey,
        write_key: site.writeKey,
      }),
    },
    {
      place: 'the body where the others are empty',
      where: () => ({ query: 'k=', writeKey: site.writeKey, write_key: '' }),
    },
  ])('$place', async ({ where }) => {
    const answer = await post(where());
    expect(answer.statusCode).toBe(200);
    expect(kept(collector.buffer).at(-1)?.envelope).toMatchObject({ siteId: site.siteId, isTrusted: false });
  });
});

test('a secret key as Authorization: Bearer makes its touchpoints trusted', async () => {
  expect((await post({ bearer: site.secretKey })).statusCode).toBe(200);
  expect(kept(collector.buffer).at(-1)?.envelope).toMatchObject({ siteId: site.siteId, isTrusted: true });
});

describe('refused, and nothing kept:', () => {
  test.each<{ what: string; where: () => Where; status: number; type: string }>([
    { what: 'no key', where: () => ({}), status: 401, type: 'missing-key' },
    { what: 'an empty key', where: () => ({ query: 'k=' }), status: 401, type: 'missing-key' },
    {
      what: 'Basic without a user name',
      where: () => ({ basic: ':secret' }),
      status: 401,
      type: 'missing-key',
    },
    {
      what: 'an unknown key',
      where: () => ({ bearer: `wk_${'x'.repeat(32)}` }),
      status: 401,
      type: 'unknown-key',
    },
    {
      what: 'a key with another case',
      where: () => ({ bearer: site.writeKey.toUpperCase() }),
      status: 401,
      type: 'unknown-key',
    },
    {
      what: 'a key of ten thousand characters',
      where: () => ({ writeKey: 'w'.repeat(10_000) }),
      status: 401,
      type: 'unknown-key',
    },
    {
      what: 'keys of two sites',
      where: () => ({ bearer: site.writeKey, writeKey: other.writeKey }),
      status: 400,
      type: 'keys-disagree',
    },
    {
      what: 'two keys in the address',
      where: () => ({ query: `k=${site.writeKey}&k=${other.writeKey}` }),
      status: 400,
      type: 'keys-disagree',
    },
    {
      what: 'two keys in the body',
      where: () => ({ writeKey: site.writeKey, write_key: other.writeKey }),
      status: 400,
      type: 'keys-disagree',
    },
    {
      what: 'a secret key with an Origin',
      where: () => ({ bearer: site.secretKey, origin: 'https://shop.example' }),
      status: 403,
      type: 'secret-key-exposed',
    },
    {
      what: 'a secret key in the address',
      where: () => ({ query: `k=${site.secretKey}` }),
      status: 403,
      type: 'secret-key-exposed',
    },
    {
      what: 'a secret key in the body',
      where: () => ({ writeKey: site.secretKey }),
      status: 403,
      type: 'secret-key-exposed',
    },
    {
      what: 'a secret key in the body beside the header',
      where: () => ({ bearer: site.secretKey, write_key: site.secretKey }),
      status: 403,
      type: 'secret-key-exposed',
    },
    {
      what: 'an unknown secret key in the address',
      where: () => ({ query: 'k=sk_nothing' }),
      status: 403,
      type: 'secret-key-exposed',
    },
    {
      what: 'a secret key that may only read',
      where: () => ({ bearer: readOnlyKey }),
      status: 403,
      type: 'missing-scope',
    },
  ])('$what', async ({ where, status, type }) => {
    const before = kept(collector.buffer).length;
    const answer = await post(where());
    expect(answer.json()).toMatchObject({ type: `/problems/${type}`, status });
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['www-authenticate']).toEqual(
      status === 401 ? expect.stringContaining('Bearer') : undefined,
    );
    expect(answer.body).not.toMatch(/[ws]k_\w{8}/);
    expect(kept(collector.buffer)).toHaveLength(before);
  });
});

test('a new key works at once, and a revoked one stops within a second', async () => {
  const { pool } = collector.database;
  const { key } = await createKey(pool, { siteId: site.siteId, kind: 'write', scopes: [] });
  expect((await post({ bearer: key })).statusCode).toBe(200);
  await pool.query('update store.keys set revoked_at = now() where text = $1', [key]);
  await sleep(1_000);
  expect((await post({ bearer: key })).statusCode).toBe(401);
});

test('random keys do not make PostgreSQL work harder', async () => {
  const { pool } = collector.database;
  let queries = 0;
  const query = pool.query.bind(pool);
  pool.query = ((...parameters: Parameters<typeof query>) => {
    queries += 1;
    return query(...parameters);
  }) as typeof pool.query;
  try {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => post({ bearer: `wk_${index}` })),
    );
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([401]));
  } finally {
    pool.query = query;
  }
  expect(queries).toBeLessThan(10);
});
