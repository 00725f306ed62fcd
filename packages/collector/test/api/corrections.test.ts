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
  await given(api, site, [
    { at: '2026-11-18T09:00Z', anonymous_id: 'phone', user_id: 'old' },
    { at: '2026-11-18T09:01Z', anonymous_id: 'laptop', user_id: 'new' },
  ]);
});
afterAll(() => api.stop());

const post = (url: string, payload?: object | string, key = site.secretKey) =>
  api.app.inject({
    method: 'POST',
    url,
    headers: {
      authorization: `Bearer ${key}`,
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(payload === undefined ? {} : { payload }),
  });

async function idOf(user: string): Promise<string> {
  const answer = await api.get(`/v1/persons?user_id=${user}`, site.secretKey);
  return answer.json<{ person_id: string }>().person_id;
}

const statusOf = async (id: string) => (await api.get(`/v1/persons/${id}`, site.secretKey)).statusCode;

test('a merge answers a receipt; the former id answers 308, and 200 again after an un-merge', async () => {
  const [old, now] = [await idOf('old'), await idOf('new')];
  const merged = await post(`/v1/persons/${old}/merge`, { into: now, author: 'desk', note: 'by mail' });
  expect(merged.statusCode).toBe(200);
  expect(merged.json()).toEqual({
    action: 'merge',
    from: old,
    into: now,
    links: [
      {
        kind: 'alias',
        identity: { type: 'user_id', value: 'old' },
        other: { type: 'user_id', value: 'new' },
      },
    ],
    author: 'desk',
    note: 'by mail',
    corrected_at: expect.stringMatching(/Z$/),
  });
  const former = await api.get(`/v1/persons/${old}`, site.secretKey);
  expect(former.statusCode).toBe(308);
  expect(former.headers.location).toBe(`/v1/persons/${now}`);
  expect(await idOf('old')).toBe(now);

  const again = await post(`/v1/persons/${old}/merge`, { into: now });
  expect(again.statusCode).toBe(308);
  expect(again.headers.location).toBe(`/v1/persons/${now}/merge`);

  const undone = await post(`/v1/persons/${now}/unmerge`, { former_person_id: old, author: 'desk' });
  expect(undone.statusCode).toBe(200);
  expect(undone.json()).toMatchObject({
    action: 'unmerge',
    person_id: now,
    former_person_id: old,
    author: 'desk',
  });
  expect([await statusOf(old), await statusOf(now)]).toEqual([200, 200]);
});

test('an un-merge without a body takes back what was merged by hand, by either id', async () => {
  const [old, now] = [await idOf('old'), await idOf('new')];
  for (const id of [old, now]) {
    expect((await post(`/v1/persons/${old}/merge`, { into: now })).statusCode).toBe(200);
    expect(await statusOf(old)).toBe(308);
    expect((await post(`/v1/persons/${id}/unmerge`)).json()).toMatchObject({ former_person_id: old });
    expect(await statusOf(old)).toBe(200);
  }
});

test.each([
  { what: 'a body that is none', url: 'merge', body: {}, type: 'invalid-correction', status: 400 },
  {
    what: 'a misspelt field',
    url: 'unmerge',
    body: { former: 'x' },
    type: 'invalid-correction',
    status: 400,
  },
  {
    what: 'an id that is none',
    url: 'merge',
    body: { into: 'ada' },
    type: 'invalid-correction',
    status: 400,
  },
  {
    what: 'a person nobody knows',
    url: 'merge',
    body: { into: '00000000-0000-8000-8000-000000000000' },
    type: 'unknown-person',
    status: 404,
  },
  { what: 'nothing to undo', url: 'unmerge', body: {}, type: 'correction-refused', status: 409 },
  { what: 'no JSON', url: 'merge', body: '{', type: 'malformed-json', status: 400 },
])('$what is refused, and nothing changes', async ({ url, body, type, status }) => {
  const person = await idOf('old');
  // its browser is taken from it, so that nobody is joined into it
  await post(`/v1/persons/${person}/unmerge`, { identity: { type: 'anonymous_id', value: 'phone' } });
  const said = async () => (await api.pool.query('select from store.identity_corrections')).rowCount;
  const before = await said();
  const answer = await post(`/v1/persons/${person}/${url}`, body);
  expect(answer.statusCode).toBe(status);
  expect(answer.headers['content-type']).toMatch('application/problem+json');
  expect(answer.json()).toMatchObject({ type: `/problems/${type}` });
  expect(await said()).toBe(before);
});

test('a person is merged with itself no more than once', async () => {
  const person = await idOf('old');
  const answer = await post(`/v1/persons/${person}/merge`, { into: person });
  expect(answer.json()).toMatchObject({ type: '/problems/correction-refused', status: 409 });
});

test('needs a secret key with write:persons, of the site', async () => {
  const person = await idOf('old');
  const { secretKey: reading } = await createSite(api.pool, { scopes: ['read:persons'] });
  expect((await post(`/v1/persons/${person}/merge`, {}, reading)).json()).toMatchObject({
    type: '/problems/missing-scope',
  });
  const { secretKey: another } = await createSite(api.pool);
  expect((await post(`/v1/persons/${person}/merge`, { into: await idOf('new') }, another)).statusCode).toBe(
    404,
  );
  expect((await post(`/v1/persons/${person}/merge`, {}, site.writeKey)).statusCode).toBe(403);
});
