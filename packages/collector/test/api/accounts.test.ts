/** Accounts as the API answers them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Given } from '../derive/given.ts';
import { createSite } from '../support/site.ts';
import type { TestSite } from '../support/site.ts';
import { given, rowsOf, startApi } from './fixture.ts';
import type { TestApi } from './fixture.ts';

const asOf = new Date('2026-03-02T10:00Z');
const story: Given[] = [
  { at: '2026-03-02T09:00Z', type: 'group', user_id: 'ada', account_id: 'acme', traits: { role: 'admin' } },
  { at: '2026-03-02T09:01Z', name: 'add_to_cart', user_id: 'ada' },
  { at: '2026-03-02T09:00Z', type: 'group', user_id: 'bob', account_id: 'acme', traits: { name: 'Acme' } },
  { at: '2026-03-02T09:05Z', type: 'group', user_id: 'bob', account_id: 'acme', traits: { left: true } },
  { at: '2026-03-02T09:00Z', type: 'group', user_id: 'cy', account_id: 'ü'.repeat(300) },
];

let api: TestApi;
let site: TestSite;
beforeAll(async () => {
  api = await startApi();
  site = await createSite(api.pool);
  await given(api, site, story, asOf);
});
afterAll(() => api.stop());

test('an account answers with its present members, and with all on wish', async () => {
  const present = await api.get('/v1/accounts/acme', site.secretKey);
  expect(present.json()).toMatchObject({
    account_id: 'acme',
    stage: 'decision',
    member_count: 1,
    members_by_stage: { decision: 1 },
    traits: { name: 'Acme' },
    members: [{ user_id: 'ada', role: 'admin', stage: 'decision', valid_to: null }],
    next_cursor: null,
  });
  const all = await api.get('/v1/accounts/acme?members=all', site.secretKey);
  expect(rowsOf(all, 'members').map(({ user_id, valid_to }) => ({ user_id, valid_to }))).toEqual(
    expect.arrayContaining([
      { user_id: 'ada', valid_to: null },
      { user_id: 'bob', valid_to: '2026-03-02T09:05:00.000Z' },
    ]),
  );
});

test('accounts are filtered by their stage', async () => {
  const inDecision = await api.get('/v1/accounts?stage=decision', site.secretKey);
  expect(rowsOf(inDecision, 'accounts')).toMatchObject([{ account_id: 'acme' }]);
  expect(rowsOf(await api.get('/v1/accounts?stage=advocacy', site.secretKey), 'accounts')).toEqual([]);
});

test('an account is found by the longest id there is', async () => {
  const answer = await api.get(`/v1/accounts/${encodeURIComponent('ü'.repeat(300))}`, site.secretKey);
  expect(answer.json()).toMatchObject({ member_count: 1, stage: null });
});

test.each(['nobody', '%00', '%20'])('an account that nobody has named answers 404: %s', async (id) => {
  const answer = await api.get(`/v1/accounts/${id}`, site.secretKey);
  expect(answer.statusCode).toBe(404);
  expect(answer.json()).toMatchObject({ type: '/problems/unknown-account' });
});

test('an account of one site is unknown at another', async () => {
  const other = await createSite(api.pool);
  expect((await api.get('/v1/accounts/acme', other.secretKey)).statusCode).toBe(404);
  await given(
    api,
    other,
    [{ at: '2026-03-02T09:00Z', type: 'group', user_id: 'eve', account_id: 'acme' }],
    asOf,
  );
  const answer = await api.get('/v1/accounts/acme', other.secretKey);
  expect(answer.json()).toMatchObject({ stage: null, traits: {}, members: [{ user_id: 'eve' }] });
  expect((await api.get('/v1/accounts/acme', site.secretKey)).json()).toMatchObject({ member_count: 1 });
});
