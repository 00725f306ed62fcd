import { createHash } from 'node:crypto';
import { personIdOf } from '@milepost/shared';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSite } from '../support/site.ts';
import type { TestSite } from '../support/site.ts';
import { given, rowsOf, startApi } from './fixture.ts';
import type { TestApi } from './fixture.ts';

let api: TestApi;
let site: TestSite;
let secret: Buffer;
beforeAll(async () => {
  api = await startApi();
  site = await createSite(api.pool);
  secret = await secretOf(site);
  await given(api, site, [
    { at: '2026-11-18T09:00Z', anonymous_id: 'browser-1' },
    { at: '2026-11-18T09:01Z', name: 'view_item', anonymous_id: 'browser-1' },
    {
      at: '2026-11-18T09:02Z',
      type: 'identify',
      anonymous_id: 'browser-1',
      user_id: 'ada',
      traits: { email: 'ada@example.com', phone: '+49 30 1', plan: 'pro' },
    },
    { at: '2026-11-18T09:03Z', name: 'add_to_cart', anonymous_id: 'browser-1' },
    { at: '2026-11-18T10:00Z', name: 'view_item', anonymous_id: 'browser-2' },
  ]);
});
afterAll(() => api.stop());

async function secretOf({ siteId }: { siteId: number }): Promise<Buffer> {
  const { rows } = await api.pool.query<{ person_secret: Buffer }>(
    'select person_secret from store.sites where site_id = $1',
    [siteId],
  );
  return rows[0]!.person_secret;
}

const idOf = (type: string, value: string) => personIdOf(secret, type, value);

describe('a person is found', () => {
  test.each([
    { by: 'user id', query: 'user_id=ada' },
    { by: 'anonymous id', query: 'anonymous_id=browser-1' },
    { by: 'typed identity', query: 'identity=user_id:ada' },
    { by: 'typed identity, encoded', query: 'identity=anonymous_id%3Abrowser-1' },
  ])('by $by', async ({ query }) => {
    const answer = await api.get(`/v1/persons?${query}`, site.secretKey);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      person_id: idOf('user_id', 'ada'),
      user_id: 'ada',
      stage: 'decision',
      furthest_stage: 'decision',
      since: '2026-11-18T09:03:00.000Z',
      journey_number: 1,
      customer_status: 'lead',
      order_count: 0,
      identities: [
        { type: 'anonymous_id', value: 'browser-1', former_person_id: idOf('anonymous_id', 'browser-1') },
        { type: 'user_id', value: 'ada', former_person_id: null },
      ],
    });
    expect(answer.headers['content-location']).toBe(`/v1/persons/${idOf('user_id', 'ada')}`);
  });

  test('by id, the same', async () => {
    const byUser = await api.get('/v1/persons?user_id=ada', site.secretKey);
    const byId = await api.get(`/v1/persons/${idOf('user_id', 'ada')}`, site.secretKey);
    expect(byId.json()).toEqual(byUser.json());
    const upperCase = await api.get(`/v1/persons/${idOf('user_id', 'ada').toUpperCase()}`, site.secretKey);
    expect(upperCase.json()).toEqual(byUser.json());
  });

  test('while anonymous', async () => {
    const answer = await api.get('/v1/persons?anonymous_id=browser-2', site.secretKey);
    expect(answer.json()).toMatchObject({
      person_id: idOf('anonymous_id', 'browser-2'),
      user_id: null,
      stage: 'consideration',
    });
  });

  test('by a shared browser as who used it last', async () => {
    const shared = await createSite(api.pool);
    await given(api, shared, [
      { at: '2026-11-18T09:00Z', anonymous_id: 'family', user_id: 'ada' },
      { at: '2026-11-18T10:00Z', anonymous_id: 'family', user_id: 'ben' },
      { at: '2026-11-18T11:00Z', anonymous_id: 'family' },
    ]);
    const answer = await api.get('/v1/persons?anonymous_id=family', shared.secretKey);
    expect(answer.json()).toMatchObject({ user_id: 'ben' });
  });
});

describe('contacts', () => {
  test('are shown to a key that may read them', async () => {
    const answer = await api.get('/v1/persons?user_id=ada', site.secretKey);
    expect(answer.json()).toMatchObject({ traits: { plan: 'pro' } });
  });

  test('are left out for any other key', async () => {
    const plain = await createSite(api.pool, { scopes: ['read:persons'] });
    await given(api, plain, [
      {
        at: '2026-11-18T09:02Z',
        type: 'identify',
        user_id: 'ada',
        traits: { email: 'ada@example.com', phone: '+49 30 1', plan: 'pro' },
      },
    ]);
    const answer = await api.get('/v1/persons?user_id=ada', plain.secretKey);
    expect(answer.json<{ traits: object }>().traits).toEqual({ plan: 'pro' });
    expect(answer.body).not.toMatch(/example\.com|49 30/);
  });
});

describe('a former id', () => {
  const paths = ['', '/transitions', '/transitions?order=newest&limit=5'];
  test.each(paths)('answers 308 to the survivor: /v1/persons/:id%s', async (path) => {
    const former = idOf('anonymous_id', 'browser-1');
    const survivor = idOf('user_id', 'ada');
    const answer = await api.get(`/v1/persons/${former}${path}`, site.secretKey);
    expect(answer.statusCode).toBe(308);
    expect(answer.headers.location).toBe(`/v1/persons/${survivor}${path}`);
    expect(answer.json()).toEqual({ person_id: survivor });
    const followed = await api.get(String(answer.headers.location), site.secretKey);
    expect(followed.statusCode).toBe(200);
  });

  test('is another site’s own business', async () => {
    const other = await createSite(api.pool);
    const answer = await api.get(`/v1/persons/${idOf('anonymous_id', 'browser-1')}`, other.secretKey);
    expect(answer.statusCode).toBe(404);
  });
});

test('the transitions of a person come in order', async () => {
  const id = idOf('user_id', 'ada');
  const oldest = await api.get(`/v1/persons/${id}/transitions`, site.secretKey);
  expect(rowsOf(oldest, 'transitions')).toMatchObject([
    { from_stage: null, to_stage: 'awareness', seconds_in_from_stage: null },
    { from_stage: 'awareness', to_stage: 'consideration', seconds_in_from_stage: 60 },
    { from_stage: 'consideration', to_stage: 'decision', signal: 'decide', seconds_in_from_stage: 120 },
  ]);
  const newest = await api.get(`/v1/persons/${id}/transitions?order=newest`, site.secretKey);
  expect(rowsOf(newest, 'transitions')).toEqual(rowsOf(oldest, 'transitions').toReversed());
});

test('a timer comes before the touchpoint of the same instant', async () => {
  const waiting = await createSite(api.pool);
  await given(api, waiting, [
    { at: '2026-01-01T00:00Z', name: 'add_to_cart', user_id: 'ada' },
    { at: '2026-01-31T00:00Z', name: 'add_to_cart', user_id: 'ada' },
  ]);
  const { person_id: id } = (await api.get('/v1/persons?user_id=ada', waiting.secretKey)).json<{
    person_id: string;
  }>();
  const answer = await api.get(`/v1/persons/${id}/transitions?limit=1000`, waiting.secretKey);
  expect(rowsOf(answer, 'transitions').slice(1, 3)).toMatchObject([
    {
      cause: 'timer',
      from_stage: 'decision',
      to_stage: 'consideration',
      occurred_at: '2026-01-31T00:00:00.000Z',
    },
    {
      cause: 'touchpoint',
      from_stage: 'consideration',
      to_stage: 'decision',
      occurred_at: '2026-01-31T00:00:00.000Z',
    },
  ]);
});

describe('nobody', () => {
  test.each([
    '/v1/persons?user_id=nobody',
    '/v1/persons?user_id=guest',
    '/v1/persons?identity=loyalty_card:1',
    `/v1/persons/${'0'.repeat(8)}-0000-0000-0000-${'0'.repeat(12)}`,
    '/v1/persons/not-a-uuid',
    '/v1/persons/%00',
    '/v1/persons/not-a-uuid/transitions',
  ])('is found at %s', async (url) => {
    const answer = await api.get(url, site.secretKey);
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toMatchObject({ type: '/problems/unknown-person' });
  });

  test('of one site is found at another', async () => {
    const other = await createSite(api.pool);
    for (const url of [
      '/v1/persons?user_id=ada',
      '/v1/persons?anonymous_id=browser-1',
      `/v1/persons/${idOf('user_id', 'ada')}`,
    ]) {
      expect((await api.get(url, other.secretKey)).statusCode).toBe(404);
    }
  });
});

describe('a hostile or careless query answers 400', () => {
  const hash = createHash('sha256').update('ada@example.com').digest('hex');
  test.each([
    '/v1/persons',
    '/v1/persons?user_id=',
    '/v1/persons?user_id=ada&user_id=ben',
    '/v1/persons?user_id=ada&anonymous_id=browser-1',
    '/v1/persons?identity=ada',
    '/v1/persons?identity=email:ada@example.com',
    `/v1/persons?identity=Email:${hash}`,
    '/v1/orders?since=yesterday',
    '/v1/orders?since=2026-02-30T00:00:00Z',
    '/v1/orders?since=0000-01-01T00:00:00Z',
    '/v1/orders?since=2026-01-01T00:00:00+01:00',
    '/v1/orders?channel=%00',
    '/v1/orders?limit=1%00',
    '/v1/orders?order=random',
    '/v1/orders?__proto__=1',
    '/v1/transitions?to_stage=%00',
    '/v1/carts?state=lost',
    "/v1/carts?state=abandoned'--",
  ])('%s', async (url) => {
    const answer = await api.get(url, site.secretKey);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ type: '/problems/invalid-query' });
  });

  test.each([
    '/v1/orders?since=2026-01-01T00:00:00%2B18:00',
    '/v1/orders?since=9999-12-31T23:59:59Z&until=0001-01-01T00:00:00Z',
    '/v1/orders?channel=%F0%9F%9B%92',
    '/v1/transitions?from_stage=nowhere',
  ])('but %s is merely empty', async (url) => {
    const answer = await api.get(url, site.secretKey);
    expect(answer.statusCode).toBe(200);
  });
});
