import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite } from '../support/site.ts';
import type { TestSite } from '../support/site.ts';
import { given, startApi } from './fixture.ts';
import type { TestApi } from './fixture.ts';

let api: TestApi;
let site: TestSite;
beforeAll(async () => {
  api = await startApi();
  site = await createSite(api.pool);
});
afterAll(() => api.stop());

const put = (body: unknown, key = site.secretKey) =>
  api.app.inject({
    method: 'PUT',
    url: '/v1/goals',
    headers: { authorization: `Bearer ${key}` },
    payload: body as object,
  });
const goals = async () => (await api.get('/v1/goals', site.secretKey)).json<object>();
const purchase = { name: 'purchase', event: 'purchase', counting: 'every_time', is_primary: true };

test('goals are read, changed, and there once derivation has been through all touchpoints', async () => {
  await given(api, site, [{ at: '2026-01-05T10:00Z', name: 'sign_up', anonymous_id: 'ada' }]);
  expect(await goals()).toEqual({ goals: [purchase], next: null });
  const answer = await put({
    goals: [
      { name: 'purchase', event: 'purchase' },
      { name: 'lead', event: 'sign_up' },
    ],
  });
  const lead = { name: 'lead', event: 'sign_up', counting: 'every_time', is_primary: false };
  expect(answer.statusCode).toBe(200);
  expect(answer.json()).toEqual({ goals: [purchase], next: [purchase, lead] });
  while (await api.deriver.deriveGoalChanges());
  expect(await goals()).toEqual({ goals: [purchase, lead], next: null });
  const { rows } = await api.pool.query('select goal from journey.conversions where site_id = $1', [
    site.siteId,
  ]);
  expect(rows).toEqual([{ goal: 'lead' }]);
});

test('what GET answers, PUT takes', async () => {
  const before = await goals();
  expect((await put(before)).json()).toEqual(before);
});

test.each([
  [{ goals: [{ name: 'a' }] }, /goal number 1, event: /],
  [{ goals: [purchase, { name: 'A b', event: 'x' }] }, /goal number 2, name: is no name/],
  [{ goals: [{ name: 'a', event: 'Order Completed' }] }, /event: is stored as purchase; write that/],
  [{ goals: [{ ...purchase, event: 'sign_up' }] }, /goal number 1, name: counts every order as it is/],
  [{ goals: [{ name: 'a', event: 'x', when: { colour: 'red' } }] }, /goal number 1, when: /],
  [[], /Nothing was changed/],
])('%j is refused by its place, and changes nothing', async (body, detail) => {
  const before = await goals();
  const answer = await put(body);
  expect(answer.statusCode).toBe(400);
  expect(answer.json<{ type: string; detail: string }>()).toMatchObject({ type: '/problems/invalid-goals' });
  expect(answer.json<{ detail: string }>().detail).toMatch(detail);
  expect(await goals()).toEqual(before);
});

test('changing them needs the scope write:settings', async () => {
  const { secretKey } = await createSite(api.pool, { scopes: ['read:settings'] });
  expect((await put({ goals: [] }, secretKey)).json()).toMatchObject({ type: '/problems/missing-scope' });
});
