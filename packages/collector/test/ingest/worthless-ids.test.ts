/** SEMANTICS 3: worthless ids of a site's own, which never resolve to anybody. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { identityIdOf } from '@milepost/shared';
import { updateSite } from '../../src/database/sites.ts';
import { prepare } from '../../src/write/prepare.ts';
import { createSite, type TestSite } from '../support/site.ts';
import { startCollector, touchpoint, type TestCollector } from './collector.ts';

let collector: TestCollector;
let site: TestSite;

beforeAll(async () => {
  collector = await startCollector();
  site = await createSite(collector.database.pool, {
    worthless_ids: ['Kiosk', ' 9999999999 ', 'noreply@shop.example'],
  });
});
afterAll(() => collector.stop());

/** What is answered about a touchpoint, and how it is stored. */
async function sent(fields: Record<string, unknown>, key = site.secretKey) {
  const answer = await collector.app.inject({
    method: 'POST',
    url: '/v1/events',
    headers: { authorization: `Bearer ${key}` },
    payload: JSON.stringify({ batch: [touchpoint({ anonymous_id: undefined, ...fields })] }),
  });
  const [entry] = collector.buffer.read(null, { maxEntries: 1, maxBytes: 1e6 });
  await collector.buffer.confirm(entry!.position);
  const [result] = answer.json<{ results: { status: string; reason?: string }[] }>().results;
  return { ...result, row: prepare(entry!).rows[0] };
}

test.each(['kiosk', 'KIOSK', ' Kiosk\t'])('%j is nobody, trimmed and case-blind', async (id) => {
  expect(await sent({ anonymous_id: id, user_id: 'ada' })).toMatchObject({
    status: 'accepted',
    row: {
      anonymousId: null,
      userId: 'ada',
      identityId: identityIdOf('user_id', 'ada'),
      flags: ['worthless_id'],
    },
  });
});

test('the touchpoint is kept under its other identity, whatever kind the worthless one is of', async () => {
  expect((await sent({ anonymous_id: 'phone', user_id: 'kiosk' })).row).toMatchObject({
    anonymousId: 'phone',
    userId: null,
    flags: ['worthless_id'],
  });
  expect((await sent({ user_id: 'kiosk', identities: { card: ['9999999999', 'c1'] } })).row).toMatchObject({
    identities: '{"card":["c1"]}',
    identityId: identityIdOf('card', 'c1'),
  });
  expect(
    (await sent({ anonymous_id: 'phone', traits: { email: 'NoReply@shop.example' } })).row,
  ).toMatchObject({ identities: null });
});

test('one without any other is rejected', async () => {
  expect(await sent({ user_id: 'kiosk' })).toMatchObject({ status: 'rejected', reason: 'no_identity' });
});

test('the shipped ones stay worthless, and another site has its own', async () => {
  expect((await sent({ anonymous_id: 'guest', user_id: 'ada' })).row?.anonymousId).toBe(null);
  const other = await createSite(collector.database.pool);
  expect((await sent({ anonymous_id: 'kiosk' }, other.secretKey)).row?.anonymousId).toBe('kiosk');
  await updateSite(collector.database.pool, other.siteId, { worthless_ids: ['kiosk'] });
  await expect
    .poll(
      async () => (await sent({ anonymous_id: 'kiosk', user_id: 'u' }, other.secretKey)).row?.anonymousId,
      {
        timeout: 5_000,
      },
    )
    .toBe(null);
});
