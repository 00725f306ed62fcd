import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import type { Envelope } from '../../src/buffer/buffer.ts';
import { openBuffer } from '../../src/buffer/open.ts';
import { startWriter } from '../../src/write/writer.ts';
import { startApi, type TestApi } from '../api/fixture.ts';
import { createSite, type TestSite } from '../support/site.ts';

let api: TestApi;
let site: TestSite;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());
beforeEach(async () => {
  site = await createSite(api.pool);
});

const receivedAt = Date.parse('2026-11-20T12:00:10Z');
const event = (fields: object = {}) => ({
  id: 'order-1',
  name: 'purchase',
  anonymous_id: 'browser-1',
  occurred_at: '2026-11-20T12:00:00Z',
  ...fields,
});

/** What a request becomes on its real way through buffer and writer. */
async function written(body: object, envelope: Partial<Envelope> = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'milepost-replay-'));
  const buffer = await openBuffer(`lmdb:${folder}`, { maxBytes: 64 * 1024 * 1024 });
  const given = { siteId: site.siteId, receivedAt, isTrusted: false, ingestedBy: 'events', ...envelope };
  await buffer.append(given, Buffer.from(JSON.stringify(body)));
  await startWriter({ buffer, pool: api.pool, log: pino({ level: 'silent' }) }).stop();
  await buffer.close();
  rmSync(folder, { recursive: true });
}

const replay = async (payload: object) => {
  const answer = await api.app.inject({
    method: 'POST',
    url: '/v1/rejected/replay',
    headers: { authorization: `Bearer ${site.secretKey}` },
    payload,
  });
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json<object>();
};
const listed = async (query = '') =>
  (await api.get(`/v1/rejected${query}`, site.secretKey)).json<{ rejected: Record<string, string>[] }>()
    .rejected;
const stored = async () =>
  (
    await api.pool.query<Record<string, unknown>>(
      `select name, given_id, occurred_at, received_at, sent_at, is_trusted, source, context
       from store.touchpoints where site_id = $1 order by occurred_at, sequence`,
      [site.siteId],
    )
  ).rows;

test('a poisonous event holds up nothing behind it, and is stored once when what refused it is gone', async () => {
  await api.pool.query(`alter table store.touchpoints add constraint no_poison check (name <> 'poison')`);
  const events = Array.from({ length: 30 }, (_, index) => event({ id: `e-${index}`, sequence: index }));
  events[7] = event({ id: 'e-7', name: 'poison' });
  await written({ batch: events, sent_at: '2026-11-20T12:00:05Z', context: { locale: 'de' } });
  expect(await stored()).toHaveLength(29);
  expect(await replay({ reason: 'unstorable' })).toEqual({
    replayed: 1,
    stored: 0,
    duplicates: 0,
    rejected: 1,
  });
  expect(await listed()).toMatchObject([
    {
      reason: 'unstorable',
      replay_result: 'rejected',
      replay_detail: expect.stringMatching('no_poison') as string,
    },
  ]);

  await api.pool.query('alter table store.touchpoints drop constraint no_poison');
  expect(await replay({ reason: 'unstorable' })).toEqual({
    replayed: 1,
    stored: 1,
    duplicates: 0,
    rejected: 0,
  });
  expect(await replay({ reason: 'unstorable' })).toEqual({
    replayed: 0,
    stored: 0,
    duplicates: 0,
    rejected: 0,
  });
  const [row] = await listed();
  expect(row).toMatchObject({ replay_result: 'stored', replay_detail: null });
  expect(await replay({ events: [{ rejected_id: row!['rejected_id'] }] })).toMatchObject({ duplicates: 1 });

  const all = await stored();
  expect(all).toHaveLength(30);
  const [poison] = all.filter(({ name }) => name === 'poison');
  const [other] = all.filter(({ given_id: id }) => id === 'e-8');
  expect(poison).toEqual({ ...other, name: 'poison', given_id: 'e-7' });
});

test('a repaired event keeps its id and its times', async () => {
  const rejected = { 0: { reason: 'invalid', detail: '/properties: must be object' } } as const;
  await written({ batch: [event({ properties: 'x' })], sent_at: '2026-11-20T12:00:10Z' }, { rejected });
  const [row] = await listed('?reason=invalid');
  const repair = { rejected_id: row!['rejected_id'], event: event({ properties: { value: 3 } }) };
  expect(await replay({ events: [repair] })).toMatchObject({ stored: 1 });
  expect(await replay({ events: [repair] })).toMatchObject({ stored: 0, duplicates: 1 });
  expect(await stored()).toMatchObject([
    {
      given_id: 'order-1',
      occurred_at: new Date('2026-11-20T12:00:00Z'),
      received_at: new Date(receivedAt),
      sent_at: new Date('2026-11-20T12:00:10Z'),
      is_trusted: false,
    },
  ]);
});

test('an event of a write key gains no trust by a replay', async () => {
  const rejected = { 0: { reason: 'source_not_allowed', detail: '' } } as const;
  await written({ batch: [event({ source: 'store' })] }, { rejected });
  expect(await replay({ since: '2026-11-01T00:00:00Z' })).toMatchObject({ rejected: 1 });
  expect(await listed()).toMatchObject([
    { replay_result: 'rejected', replay_detail: expect.stringMatching('source_not_allowed') as string },
  ]);
  expect(await stored()).toEqual([]);
});

test('a Segment call is replayed as one, with the id it was given', async () => {
  const rejected = { 0: { reason: 'bad_time', detail: '' } } as const;
  const call = { type: 'track', event: 'Signed Up', anonymousId: 'b', timestamp: 'soon' };
  await written(
    { batch: [call], sentAt: '2026-11-20T12:00:10Z' },
    { rejected, ingestedBy: 'segment', segment: { call: 'batch', fallbackId: 'given' } },
  );
  expect(await replay({ reason: 'bad_time' })).toMatchObject({ rejected: 1 });
  const [row] = await listed();
  const repaired = { ...call, timestamp: '2026-11-20T12:00:00Z' };
  expect(await replay({ events: [{ rejected_id: row!['rejected_id'], event: repaired }] })).toMatchObject({
    stored: 1,
  });
  expect(await stored()).toMatchObject([
    { given_id: 'given-0', occurred_at: new Date('2026-11-20T12:00:00Z') },
  ]);
});

test('the events of another site are neither seen nor replayed', async () => {
  await written({ batch: [event()] }, { rejected: { 0: { reason: 'invalid', detail: '' } } });
  const [row] = await listed();
  site = await createSite(api.pool);
  expect(await listed()).toEqual([]);
  expect(await replay({ events: [{ rejected_id: row!['rejected_id'] }] })).toMatchObject({ replayed: 0 });
});

test.each([
  {},
  { events: [] },
  { events: [{ rejected_id: 'x' }] },
  { reason: 'a', other: 1 },
  { since: 'soon' },
])('a replay that says nothing readable is refused: %j', async (payload) => {
  const answer = await api.app.inject({
    method: 'POST',
    url: '/v1/rejected/replay',
    headers: { authorization: `Bearer ${site.secretKey}` },
    payload,
  });
  expect(answer.json()).toMatchObject({ type: '/problems/invalid-replay' });
});
