import { afterAll, beforeAll, expect, test } from 'vitest';
import { rebuild } from '../../src/derive/index.ts';
import { settingNames } from '../../src/settings/catalogue.ts';
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

type Answer = {
  name: string;
  settings: { name: string; value: string; default: string; next: string | null }[];
  being_derived_again: object | null;
};

const patch = (body: unknown, key = site.secretKey) =>
  api.app.inject({
    method: 'PATCH',
    url: '/v1/site',
    headers: { authorization: `Bearer ${key}` },
    payload: body as object,
  });
const read = async () => (await api.get('/v1/site', site.secretKey)).json<Answer>();
const settingNamed = ({ settings }: Answer, name: string) =>
  settings.find((setting) => setting.name === name);

test('every setting is there with its value, default and description', async () => {
  const answer = await read();
  expect(answer.settings.map(({ name }) => name)).toEqual(settingNames);
  expect(settingNamed(answer, 'session_gap')).toMatchObject({
    value: '30 minutes',
    default: '30 minutes',
    next: null,
    description: expect.any(String),
    read_by_derivation: true,
  });
  expect(answer.being_derived_again).toBeNull();
});

test('a setting that derivation does not read holds at once', async () => {
  const answer = await patch({
    name: 'Shop',
    settings: { allowed_origins: ['https://shop.example'], retention: '13 months' },
  });
  expect(answer.statusCode).toBe(200);
  expect(answer.json<Answer>().name).toBe('Shop');
  expect(settingNamed(answer.json<Answer>(), 'allowed_origins')?.value).toBe('https://shop.example');
  expect(settingNamed(answer.json<Answer>(), 'retention')).toMatchObject({
    value: '13 months',
    default: 'off',
  });
});

test('one that derivation reads waits until the site is derived again under it', async () => {
  await given(api, site, [{ at: '2026-01-05T10:00Z', anonymous_id: 'ada' }]);
  const answer = (await patch({ settings: { session_gap: '20 minutes' } })).json<Answer>();
  expect(settingNamed(answer, 'session_gap')).toMatchObject({ value: '30 minutes', next: '20 minutes' });
  expect(answer.being_derived_again).toMatchObject({ phase: 'waiting' });
  await rebuild(api.pool, { siteId: site.siteId });
  expect(settingNamed(await read(), 'session_gap')).toMatchObject({ value: '20 minutes', next: null });
});

test.each([
  [{ settings: { session_gap: 'soon' } }, /session_gap cannot be/],
  [{ settings: { colour: 'red' } }, /There is no setting of that name/],
  [{ settings: { person_secret: 'x' } }, /There is no setting of that name/],
  [
    { settings: { session_gap: '23 hours', session_limit: '2 hours' } },
    /session_gap \(23 hours\) must be at most/,
  ],
  [{ model_name: 'x' }, /Nothing was changed/],
  [[], /Nothing was changed/],
])('%j is refused, and changes nothing', async (body, detail) => {
  const before = await read();
  const answer = await patch(body);
  expect(answer.statusCode).toBe(400);
  expect(answer.json()).toMatchObject({
    type: '/problems/invalid-settings',
    detail: expect.stringMatching(detail),
  });
  expect(await read()).toEqual(before);
});

test('a key that may only read changes nothing', async () => {
  const reader = await createSite(api.pool, { scopes: ['read:settings'] });
  expect((await patch({ name: 'Mine' }, reader.secretKey)).statusCode).toBe(403);
});
