import { createHmac } from 'node:crypto';
import type { LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { renewIdentitySecret } from '../../src/database/identity-secrets.ts';
import { createMetrics } from '../../src/operations/metrics.ts';
import { createSite } from '../support/site.ts';
import type { TestSite } from '../support/site.ts';
import { apiConfig, given, startApi } from './fixture.ts';
import type { TestApi } from './fixture.ts';

const shop = 'https://shop.example';
const unknown = {
  stage: null,
  furthest_stage: null,
  since: null,
  is_customer: null,
  segments: [],
  variants: {},
};

let api: TestApi;
let site: TestSite;
let secret: string;
let elsewhere: TestSite;
let elsewhereSecret: string;

beforeAll(async () => {
  api = await startApi();
  site = await createSite(api.pool, { allowed_origins: [shop] });
  elsewhere = await createSite(api.pool, { allowed_origins: ['https://elsewhere.example'] });
  ({ secret } = await renewIdentitySecret(api.pool, { siteId: site.siteId }));
  ({ secret: elsewhereSecret } = await renewIdentitySecret(api.pool, { siteId: elsewhere.siteId }));
  const bought = {
    name: 'purchase',
    properties: { transaction_id: 'o-1', currency: 'EUR', value: 89 },
  };
  await given(api, site, [
    { at: '2026-11-20T09:00:00Z', anonymous_id: 'stranger' },
    { at: '2026-11-20T09:01:00Z', anonymous_id: 'stranger', name: 'add_to_cart' },
    // ada, and a browser that says it is hers too
    { at: '2026-11-20T09:00:00Z', anonymous_id: 'adas-browser' },
    { at: '2026-11-20T09:02:00Z', anonymous_id: 'adas-browser', user_id: 'ada', ...bought },
    { at: '2026-11-20T09:10:00Z', anonymous_id: 'attacker', type: 'identify', user_id: 'ada' },
    // a browser that says it is somebody who was never seen
    { at: '2026-11-20T09:10:00Z', anonymous_id: 'fantasist', type: 'identify', user_id: 'nobody' },
    // ben's browser, lent to cleo
    { at: '2026-11-20T09:00:00Z', anonymous_id: 'shared', user_id: 'ben', name: 'view_item' },
    { at: '2026-11-20T10:00:00Z', anonymous_id: 'shared', user_id: 'cleo', name: 'begin_checkout' },
    { at: '2026-11-20T09:00:00Z', anonymous_id: 'measured', name: 'user_engagement' },
  ]);
  await given(api, elsewhere, [
    { at: '2026-11-20T09:00:00Z', anonymous_id: 'only-elsewhere', name: 'view_item' },
    { at: '2026-11-20T09:00:00Z', anonymous_id: 'adas-browser', user_id: 'ada', name: 'view_item' },
  ]);
});
afterAll(() => api.stop());

const sign = (by: string, userId: string) => createHmac('sha256', by).update(userId).digest('hex');

/** Asks as a page of the shop does. */
function ask(
  visitor: string,
  { proof, key = site.writeKey, headers = {} }: { proof?: string; key?: string; headers?: object } = {},
): Promise<LightMyRequestResponse> {
  return api.app.inject({
    url: '/v1/me',
    headers: {
      origin: shop,
      authorization: `Bearer ${key}`,
      'x-milepost-visitor': visitor,
      ...(proof !== undefined && { 'x-milepost-user-proof': proof }),
      ...headers,
    },
  });
}

/** What an answer shows: all of it but its time and its id. */
function shownBy(answer: LightMyRequestResponse) {
  const { date: _date, 'x-request-id': _id, ...headers } = answer.headers;
  return { status: answer.statusCode, headers, body: answer.body };
}

describe('whoever is anonymous', () => {
  test('sees the own stage', async () => {
    const answer = await ask('stranger');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({
      stage: 'decision',
      furthest_stage: 'decision',
      since: '2026-11-20T09:01:00.000Z',
      is_customer: false,
      segments: [],
      variants: {},
    });
  });

  test('has no stage before the first signal', async () => {
    expect((await ask('measured')).json()).toEqual({ ...unknown, is_customer: false });
  });

  test('is nobody where nothing was seen', async () => {
    const answer = await ask('never-seen');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual(unknown);
  });
});

describe('who claims to be a user', () => {
  test('reads the stage with the proof that the site made', async () => {
    const answer = await ask('adas-browser', { proof: sign(secret, 'ada') });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ stage: 'purchase', furthest_stage: 'purchase', is_customer: true });
    const upper = await ask('adas-browser', { proof: sign(secret, 'ada').toUpperCase() });
    expect(upper.body).toBe(answer.body);
  });

  // each made when the test runs: the secrets are random
  test.each([
    { what: 'no proof', proof: () => undefined },
    { what: 'an empty proof', proof: () => '' },
    { what: 'the proof of another user', proof: () => sign(secret, 'attacker') },
    { what: 'a proof by another site', proof: () => sign(elsewhereSecret, 'ada') },
    { what: 'a proof by an empty secret', proof: () => sign('', 'ada') },
    { what: 'a proof cut short', proof: () => sign(secret, 'ada').slice(0, 63) },
    { what: 'half a proof', proof: () => sign(secret, 'ada').slice(0, 32) },
    { what: 'a proof and more', proof: () => `${sign(secret, 'ada')}00` },
    { what: 'a proof twice', proof: () => `${sign(secret, 'ada')}, ${sign(secret, 'ada')}` },
    { what: 'a proof of the wrong letters', proof: () => sign(secret, 'ada').replace(/./, 'g') },
    { what: 'the secret', proof: () => secret },
    { what: 'the user id', proof: () => 'ada' },
    { what: 'zeros', proof: () => '0'.repeat(64) },
  ])('learns nothing by $what', async ({ proof: make }) => {
    const proof = make();
    const told = proof === undefined ? {} : { proof };
    const nobody = shownBy(await ask('never-seen', told));
    for (const visitor of ['adas-browser', 'attacker', 'fantasist']) {
      expect(shownBy(await ask(visitor, told)), visitor).toEqual(nobody);
    }
  });

  test('a proof speaks for the person whom the browser is now, not for who it was', async () => {
    const ben = await ask('shared', { proof: sign(secret, 'ben') });
    expect(ben.json()).toEqual(unknown);
    const cleo = await ask('shared', { proof: sign(secret, 'cleo') });
    expect(cleo.json()).toMatchObject({ stage: 'decision' });
  });

  test('a proof gives nothing to a browser that is somebody else', async () => {
    expect((await ask('stranger', { proof: sign(secret, 'ada') })).json()).toMatchObject({
      stage: 'decision',
    });
    expect((await ask('never-seen', { proof: sign(secret, 'ada') })).json()).toEqual(unknown);
  });

  test('user ids are compared as they were written', async () => {
    for (const userId of ['Ada', ' ada', 'ada ', 'ada\n']) {
      expect((await ask('adas-browser', { proof: sign(secret, userId) })).json(), userId).toEqual(unknown);
    }
  });
});

describe('the identity secret', () => {
  test('can be renewed while proofs by the old one hold, and ends at once where none is wanted', async () => {
    const own = await createSite(api.pool, { allowed_origins: [shop] });
    const visitor = { at: '2026-11-20T09:00:00Z', anonymous_id: 'a', user_id: 'ada', name: 'view_item' };
    await given(api, own, [visitor]);
    const stageBy = async (by: string) =>
      (await ask('a', { key: own.writeKey, proof: sign(by, 'ada') })).json<{ stage: string | null }>().stage;

    expect(await stageBy('')).toBeNull();
    const first = await renewIdentitySecret(api.pool, { siteId: own.siteId });
    expect(first).toEqual({ secret: expect.stringMatching(/^is_[0-9A-Za-z]{32}$/), earlierHoldUntil: null });
    expect(await stageBy(first.secret)).toBe('consideration');

    const second = await renewIdentitySecret(api.pool, { siteId: own.siteId, overlap: '7 days' });
    expect(second.earlierHoldUntil?.getTime()).toBeGreaterThan(Date.now() + 6 * 86_400_000);
    expect(await stageBy(first.secret)).toBe('consideration');
    expect(await stageBy(second.secret)).toBe('consideration');

    const third = await renewIdentitySecret(api.pool, { siteId: own.siteId });
    expect(await stageBy(first.secret)).toBeNull();
    expect(await stageBy(second.secret)).toBeNull();
    expect(await stageBy(third.secret)).toBe('consideration');
  });

  test('two renewed at once leave one in force', async () => {
    const own = await createSite(api.pool, { allowed_origins: [] });
    const renew = () => renewIdentitySecret(api.pool, { siteId: own.siteId, overlap: '1 hour' });
    await Promise.all([renew(), renew(), renew()]);
    const { rows } = await api.pool.query(
      `select count(*) filter (where expires_at is null)::integer as in_force, count(*)::integer as all
       from store.identity_secrets where site_id = $1`,
      [own.siteId],
    );
    expect(rows).toEqual([{ in_force: 1, all: 3 }]);
  });

  test('no reader can see it', async () => {
    const client = await api.pool.connect();
    try {
      await client.query('begin; set local role milepost_reader');
      await expect(client.query('select secret from store.identity_secrets')).rejects.toThrow(
        'permission denied',
      );
    } finally {
      await client.query('rollback');
      client.release();
    }
    const { rows } = await api.pool.query(
      `select distinct view_name from information_schema.view_table_usage where table_name = 'identity_secrets'`,
    );
    expect(rows).toEqual([]);
  });
});

test('nothing crosses sites', async () => {
  expect((await ask('only-elsewhere')).json()).toEqual(unknown);
  const headers = { origin: 'https://elsewhere.example' };
  const there = { key: elsewhere.writeKey, headers };
  expect((await ask('stranger', there)).json()).toEqual(unknown);
  expect((await ask('only-elsewhere', there)).json()).toMatchObject({ stage: 'consideration' });
  expect((await ask('adas-browser', { ...there, proof: sign(secret, 'ada') })).json()).toEqual(unknown);
  expect((await ask('adas-browser', { ...there, proof: sign(elsewhereSecret, 'ada') })).json()).toMatchObject(
    {
      stage: 'consideration',
    },
  );
});

describe('keys', () => {
  test('a server asks without an origin, and the key may stand in the address', async () => {
    const headers = { 'x-milepost-visitor': 'stranger' };
    const answer = await api.app.inject({ url: `/v1/me?k=${site.writeKey}`, headers });
    expect(answer.json()).toMatchObject({ stage: 'decision' });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  test('a secret key from a page is refused, with its scope it may ask from a server', async () => {
    const page = await ask('stranger', { key: site.secretKey });
    expect(page.statusCode).toBe(403);
    expect(page.json()).toMatchObject({ type: '/problems/secret-key-exposed' });
    const inAddress = await api.app.inject({ url: `/v1/me?k=${site.secretKey}` });
    expect(inAddress.statusCode).toBe(403);

    const fromServer = (key: string, visitor: string) =>
      api.app.inject({
        url: '/v1/me',
        headers: { authorization: `Bearer ${key}`, 'x-milepost-visitor': visitor },
      });
    expect((await fromServer(site.secretKey, 'stranger')).json()).toMatchObject({ stage: 'decision' });
    expect((await fromServer(site.secretKey, 'adas-browser')).json()).toEqual(unknown);
    const without = await createSite(api.pool, { allowed_origins: [], scopes: ['read:stages'] });
    const refused = await fromServer(without.secretKey, 'stranger');
    expect(refused.json()).toMatchObject({ type: '/problems/missing-scope', status: 403 });
  });

  test.each([
    { what: 'no key', authorization: '', status: 401, type: 'missing-key' },
    { what: 'an unknown key', authorization: 'Bearer wk_nope', status: 401, type: 'unknown-key' },
  ])('$what answers $status, which the page can read', async ({ authorization, status, type }) => {
    const answer = await ask('stranger', { headers: { authorization } });
    expect(answer.json()).toMatchObject({ type: `/problems/${type}`, status });
    expect(answer.headers['access-control-allow-origin']).toBe(shop);
    expect(answer.headers['cache-control']).toBe('no-store');
  });
});

describe('pages', () => {
  test('of an allowed origin may read the answer, and no cache may keep it', async () => {
    const { headers } = await ask('stranger');
    expect(headers['access-control-allow-origin']).toBe(shop);
    expect(headers['access-control-allow-credentials']).toBeUndefined();
    expect(headers['vary']).toBe('Origin');
    expect(headers['cache-control']).toBe('private, no-store');
    expect(headers['x-request-id']).toBeTruthy();
  });

  test.each(['https://evil.example', 'null', 'https://elsewhere.example', 'http://shop.example'])(
    'of %s may not',
    async (origin) => {
      const answer = await ask('stranger', { headers: { origin } });
      expect(answer.statusCode).toBe(403);
      expect(answer.json()).toMatchObject({ type: '/problems/origin-not-allowed' });
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
      expect(answer.body).not.toMatch('decision');
    },
  );

  const preflight = (origin: string) =>
    api.app.inject({
      method: 'OPTIONS',
      url: '/v1/me',
      headers: {
        origin,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization,x-milepost-user-proof,x-milepost-visitor',
      },
    });

  test('ask beforehand, and need not ask again for a day', async () => {
    const { statusCode, headers } = await preflight(shop);
    expect(statusCode).toBe(204);
    expect(headers).toMatchObject({
      'access-control-allow-origin': shop,
      'access-control-allow-methods': 'GET',
      'access-control-allow-headers': 'Authorization, X-Milepost-Visitor, X-Milepost-User-Proof',
      'access-control-max-age': '86400',
    });
    expect((await preflight('https://evil.example')).statusCode).toBe(403);
  });
});

test.each([
  { what: 'no visitor', visitor: {} },
  { what: 'an empty visitor', visitor: { 'x-milepost-visitor': '' } },
  { what: 'a visitor of 301 characters', visitor: { 'x-milepost-visitor': 'x'.repeat(301) } },
])('$what is refused', async ({ visitor }) => {
  const headers = { authorization: `Bearer ${site.writeKey}`, ...visitor };
  const answer = await api.app.inject({ url: '/v1/me', headers });
  expect(answer.json()).toMatchObject({ type: '/problems/invalid-visitor', status: 400 });
});

test.each(['user_id=ada', 'user_proof=00', 'visitor=stranger'])(
  'nothing about anybody is taken from the address: %s',
  async (query) => {
    const headers = { authorization: `Bearer ${site.writeKey}`, 'x-milepost-visitor': 'stranger' };
    const answer = await api.app.inject({ url: `/v1/me?${query}`, headers });
    expect(answer.json()).toMatchObject({ type: '/problems/invalid-query', status: 400 });
  },
);

test('asking too often is refused, with the time to wait', async () => {
  const app = await buildApp({
    config: { ...apiConfig, rateLimit: 3 },
    pool: api.pool,
    buffer: null,
    metrics: createMetrics(),
  });
  const headers = {
    authorization: `Bearer ${site.writeKey}`,
    'x-milepost-visitor': 'stranger',
    origin: shop,
  };
  const answers = [];
  for (let call = 0; call < 4; call += 1) answers.push(await app.inject({ url: '/v1/me', headers }));
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 429]);
  expect(answers[3]?.json()).toMatchObject({ type: '/problems/rate-limited' });
  expect(Number(answers[3]?.headers['retry-after'])).toBeGreaterThan(0);
  expect(answers[3]?.headers['access-control-allow-origin']).toBe(shop);
  await app.close();
});
