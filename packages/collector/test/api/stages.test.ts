import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite } from '../support/site.ts';
import { given, rowsOf, startApi } from './fixture.ts';
import type { TestApi } from './fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

test('every stage says who stands in it, who came that far, the rates and the median stay', async () => {
  const site = await createSite(api.pool);
  await given(
    api,
    site,
    [
      // two look, one of them for a minute before a closer look
      { at: '2026-11-18T09:00Z', anonymous_id: 'a' },
      { at: '2026-11-18T09:00Z', anonymous_id: 'b' },
      { at: '2026-11-18T09:01Z', name: 'view_item', anonymous_id: 'b' },
      // one decides after three minutes
      { at: '2026-11-18T09:00Z', anonymous_id: 'c' },
      { at: '2026-11-18T09:03Z', name: 'add_to_cart', anonymous_id: 'c' },
      // one buys at once, and decides anew: no longer in purchase, but came that far
      { at: '2026-11-18T09:00Z', name: 'purchase', anonymous_id: 'd', properties: { transaction_id: 'o-1' } },
      { at: '2026-11-18T09:10Z', name: 'add_to_cart', anonymous_id: 'd' },
    ],
    new Date('2026-11-18T12:00Z'),
  );
  const answer = await api.get('/v1/stages', site.secretKey);
  expect(answer.json()).toEqual({
    as_of: '2026-11-18T12:00:00.000Z',
    model: { name: 'ecommerce', version: 1 },
    person_count: 4,
    stages: [
      stage({
        stage: 'awareness',
        position: 1,
        person_count: 1,
        reached_count: 4,
        to: 3 / 4,
        from: null,
        stays: [2, 120],
      }),
      stage({
        stage: 'consideration',
        position: 2,
        person_count: 1,
        reached_count: 3,
        to: 2 / 3,
        from: 3 / 4,
      }),
      stage({ stage: 'decision', position: 3, person_count: 2, reached_count: 2, to: 1 / 2, from: 2 / 3 }),
      stage({
        stage: 'purchase',
        position: 4,
        person_count: 0,
        reached_count: 1,
        to: 0,
        from: 1 / 2,
        stays: [1, 600],
      }),
      stage({ stage: 'retention', position: 5, person_count: 0, reached_count: 0, to: null, from: 0 }),
      stage({ stage: 'advocacy', position: 6, person_count: 0, reached_count: 0, to: null, from: null }),
    ],
  });
});

function stage({
  to,
  from,
  stays = [0, null],
  ...rest
}: {
  stage: string;
  position: number;
  person_count: number;
  reached_count: number;
  to: number | null;
  from: number | null;
  stays?: [number, number | null];
}) {
  return {
    ...rest,
    share: rest.person_count / 4,
    rate_from_previous: from,
    rate_to_next: to,
    stay_count: stays[0],
    median_seconds: stays[1],
  };
}

test('a site without a touchpoint has its stages, empty', async () => {
  const site = await createSite(api.pool);
  const answer = await api.get('/v1/stages', site.secretKey);
  expect(answer.json()).toMatchObject({ person_count: 0 });
  expect(rowsOf(answer, 'stages')).toHaveLength(6);
  expect(rowsOf(answer, 'stages')[0]).toMatchObject({
    share: null,
    rate_to_next: null,
    median_seconds: null,
  });
});

test('an unknown stage answers 404 and names those there are', async () => {
  const site = await createSite(api.pool);
  const answer = await api.get('/v1/stages/desire/persons', site.secretKey);
  expect(answer.statusCode).toBe(404);
  expect(answer.json()).toMatchObject({ type: '/problems/unknown-stage' });
  expect(answer.json<{ detail: string }>().detail).toMatch('awareness, consideration, decision');
});

test('persons of a stage can be asked for by when they entered it', async () => {
  const site = await createSite(api.pool);
  await given(api, site, [
    { at: '2026-11-18T09:00Z', name: 'add_to_cart', user_id: 'early' },
    { at: '2026-11-18T10:00Z', name: 'add_to_cart', user_id: 'on time' },
    { at: '2026-11-18T11:00Z', name: 'add_to_cart', user_id: 'late' },
  ]);
  const answer = await api.get(
    '/v1/stages/decision/persons?since=2026-11-18T10:00:00Z&until=2026-11-18T11:00:00Z',
    site.secretKey,
  );
  expect(rowsOf(answer, 'persons')).toMatchObject([
    { user_id: 'on time', since: '2026-11-18T10:00:00.000Z' },
  ]);
});
