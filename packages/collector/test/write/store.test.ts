import { type Touchpoint, identityIdOf, newId, personIdOf } from '@milepost/shared';
import fc from 'fast-check';
import type { PoolClient } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Envelope } from '../../src/buffer/buffer.ts';
import { type TouchpointRow, rowOf, sharedFactsOf } from '../../src/write/row.ts';
import { type StoreCounts, type StoreOptions, storeRows } from '../../src/write/store.ts';
import { type TestDatabase, createDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';

let db: TestDatabase;
const receivedAt = Date.now();

beforeAll(async () => {
  db = await createDatabase();
});
afterAll(() => db.drop());

async function newSite(): Promise<number> {
  return (await createSite(db.pool)).siteId;
}

function row(
  siteId: number,
  event: Partial<Touchpoint> = {},
  envelope: Partial<Envelope> = {},
): TouchpointRow {
  const whole: Envelope = { siteId, receivedAt, isTrusted: false, ingestedBy: 'events', ...envelope };
  const occurredAt = new Date(receivedAt - 1_000).toISOString();
  return rowOf(
    { id: newId(), name: 'page_view', anonymous_id: 'ada', occurred_at: occurredAt, ...event },
    whole,
    sharedFactsOf({}, whole),
  );
}

async function inTransaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await db.pool.connect();
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

function store(rows: TouchpointRow[], options: Partial<StoreOptions> = {}): Promise<StoreCounts> {
  return inTransaction((client) => storeRows(client, rows, { origin: 'live', lane: 0, ...options }));
}

async function rowsOf(text: string, siteId: number): Promise<Record<string, unknown>[]> {
  return (await db.pool.query<Record<string, unknown>>(text, [siteId])).rows;
}

function countersOf(siteId: number): Promise<Record<string, unknown>[]> {
  return rowsOf(
    'select name, value::integer as value from store.counters where site_id = $1 order by name',
    siteId,
  );
}

test('an id sent again with another time and body stays the first touchpoint', async () => {
  const siteId = await newSite();
  const id = newId();
  expect(await store([row(siteId, { id, properties: { n: 1 } })])).toEqual({ stored: 1, duplicates: 0 });
  const again = row(siteId, {
    id,
    name: 'purchase',
    occurred_at: '2026-01-01T00:00:00Z',
    properties: { n: 2 },
  });
  expect(await store([again, again])).toEqual({ stored: 0, duplicates: 2 });
  const stored = await rowsOf('select name, properties from store.touchpoints where site_id = $1', siteId);
  expect(stored).toEqual([{ name: 'page_view', properties: { n: 1 } }]);
  expect(await countersOf(siteId)).toEqual([{ name: 'duplicate', value: 2 }]);
});

test('an id of any other form sent again with another time is the same touchpoint too', async () => {
  const siteId = await newSite();
  const first = row(siteId, { id: 'order-7' });
  const later = row(siteId, { id: 'order-7', occurred_at: '2026-01-01T00:00:00Z' });
  expect(await store([first, later])).toEqual({ stored: 1, duplicates: 1 });
  const [stored] = await rowsOf(
    'select given_id, occurred_at from store.touchpoints where site_id = $1',
    siteId,
  );
  expect(stored).toEqual({ given_id: 'order-7', occurred_at: new Date(receivedAt - 1_000) });
});

test('two sites may use the same id', async () => {
  const id = newId();
  const rows = [row(await newSite(), { id }), row(await newSite(), { id })];
  expect(await store(rows)).toEqual({ stored: 2, duplicates: 0 });
});

test('two writers that store the same rows at once store each once', async () => {
  const siteId = await newSite();
  const rows = Array.from({ length: 500 }, () => row(siteId));
  const counts = await Promise.all([store(rows), store(rows), store(rows)]);
  expect(counts.reduce((sum, { stored }) => sum + stored, 0)).toBe(500);
  expect(counts.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(1_000);
});

test('copied straight in, rows are handed to derive as well, and a known id fails the whole', async () => {
  const siteId = await newSite();
  const rows = [
    row(siteId),
    row(siteId, { context: { userAgent: 'Googlebot/2.1' } }),
    row(siteId, { user_id: 'null' }),
  ];
  expect(await store(rows, { way: 'copy', repeats: [row(siteId)] })).toEqual({ stored: 3, duplicates: 1 });
  const handed = await rowsOf(
    `select batches.touchpoint_ids, touchpoints.touchpoint_id from store.batches
     join store.touchpoints using (batch_id) where touchpoints.site_id = $1 order by touchpoints.touchpoint_id`,
    siteId,
  );
  const [first, bot, third] = rows.map(({ touchpointId }) => touchpointId);
  expect(handed.map(({ touchpoint_id }) => touchpoint_id)).toEqual([first, bot, third]);
  expect(handed[0]!['touchpoint_ids']).toEqual([first, third]);
  expect(await countersOf(siteId)).toEqual([
    { name: 'duplicate', value: 1 },
    { name: 'worthless_id', value: 1 },
  ]);
  await expect(store([row(siteId), rows[0]!], { way: 'copy' })).rejects.toMatchObject({ code: '23505' });
});

test('a commit hands derive what was new, without bots', async () => {
  const siteId = await newSite();
  const old = row(siteId);
  await store([old]);
  const fresh = row(siteId);
  const bot = row(siteId, { context: { userAgent: 'Googlebot/2.1' } });
  await store([old, bot, fresh], { origin: 'import', lane: 1 });
  const batches = await rowsOf(
    `select batch_id, lane, origin, touchpoint_ids from store.batches where site_id = $1 order by batch_id`,
    siteId,
  );
  expect(batches).toMatchObject([
    { lane: 0, origin: 'live', touchpoint_ids: [old.touchpointId] },
    { lane: 1, origin: 'import', touchpoint_ids: [fresh.touchpointId] },
  ]);
  const stored = await rowsOf(
    'select batch_id from store.touchpoints where site_id = $1 order by batch_id',
    siteId,
  );
  const [first, second] = batches.map(({ batch_id }) => batch_id);
  expect(stored.map(({ batch_id }) => batch_id)).toEqual([first, second, second]);
});

test('rejects are kept once and counted; those without consent are counted alone', async () => {
  const siteId = await newSite();
  const reject = {
    siteId,
    receivedAt,
    detail: '/id: is missing',
    event: '{"a":"\0"}',
    ingestedBy: 'events',
  } as const;
  const rejects = [
    { ...reject, reason: 'invalid', index: 0 },
    { ...reject, reason: 'invalid', index: 1 },
    { ...reject, reason: 'consent_denied', index: 2 },
    { ...reject, reason: 'too_large', index: 3, event: 'ü'.repeat(100_000) },
  ] as const;
  await store([], { rejects });
  await store([], { rejects });
  const kept = await rowsOf(
    `select reason, detail, left(event, 9) as event, octet_length(event) <= 131072 as is_cut
     from store.rejected_events where site_id = $1 order by reason`,
    siteId,
  );
  const { detail } = reject;
  expect(kept).toEqual([
    { reason: 'invalid', detail, event: '{"a":"\u{fffd}"}', is_cut: true },
    { reason: 'invalid', detail, event: '{"a":"\u{fffd}"}', is_cut: true },
    { reason: 'too_large', detail, event: 'ü'.repeat(9), is_cut: true },
  ]);
  expect(await countersOf(siteId)).toEqual([
    { name: 'consent_denied', value: 2 },
    { name: 'invalid', value: 4 },
    { name: 'too_large', value: 2 },
  ]);
});

test('worthless ids are counted with the touchpoints that are new', async () => {
  const siteId = await newSite();
  const guest = row(siteId, { user_id: 'guest' });
  await store([guest, row(siteId)]);
  await store([guest]);
  expect(await countersOf(siteId)).toEqual([
    { name: 'duplicate', value: 1 },
    { name: 'worthless_id', value: 1 },
  ]);
});

test('every column comes back as it was said', async () => {
  const siteId = await newSite();
  const whole = row(siteId, {
    user_id: 'u\\1\t',
    account_id: 'a\n',
    sequence: '7',
    identities: { crm: ['"c"', '\\'] },
    properties: { text: 'back\\slash "quote" \t\r\n ü 😀' },
    traits: { plan: 'pro' },
    context: { locale: 'de' },
    source: 'app',
  });
  await store([whole]);
  const [stored] = await rowsOf('select * from store.touchpoints where site_id = $1', siteId);
  expect(stored).toMatchObject({
    touchpoint_id: whole.touchpointId,
    identity_id: whole.identityId,
    occurred_at: new Date(receivedAt - 1_000),
    client_time: new Date(receivedAt - 1_000),
    received_at: new Date(receivedAt),
    sent_at: null,
    sequence: '7',
    name: 'page_view',
    type: 'page',
    source: 'app',
    ingested_by: 'events',
    is_trusted: false,
    anonymous_id: 'ada',
    user_id: 'u\\1\t',
    account_id: 'a\n',
    identities: { crm: ['"c"', '\\'] },
    properties: { text: 'back\\slash "quote" \t\r\n ü 😀' },
    traits: { plan: 'pro' },
    context: { locale: 'de' },
    bot_reason: null,
    flags: null,
  });
});

test('any text survives the way through COPY, but for what PostgreSQL cannot hold', async () => {
  const siteId = await newSite();
  const text = fc.string({
    unit: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\\', '\t', '\\N', '\\.', '\0', '\ud800')),
  });
  const cases = fc.sample(fc.record({ name: text, value: fc.jsonValue(), key: text }), {
    numRuns: 500,
    seed: 7,
  });
  const rows = cases.map(({ name, value, key }, sequence) =>
    row(siteId, { name: `x${name}x`, sequence, properties: { [`x${key}`]: value } }),
  );
  await store(rows);
  const stored = await rowsOf(
    'select name, properties from store.touchpoints where site_id = $1 order by sequence',
    siteId,
  );
  const held = (given: string) => given.toWellFormed().replaceAll('\0', '\u{fffd}');
  expect(stored).toEqual(
    cases.map(({ name, value, key }) => ({
      name: held(`x${name}x`),
      properties: {
        [held(`x${key}`)]: JSON.parse(
          held(JSON.stringify(value)).replaceAll(/\\u0000|\\ud[89a-f]../g, '\u{fffd}'),
        ),
      },
    })),
  );
});

test('ids are the same in TypeScript and in SQL', async () => {
  const secret = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7));
  for (const [type, value] of [
    ['user_id', 'ada'],
    ['anonymous_id', 'Grüße 😀'],
    ['email_sha256', 'a'.repeat(300)],
  ] as const) {
    const { rows } = await db.pool.query(
      'select store.identity_id($1, $2) as identity_id, store.person_id($3, $1, $2) as person_id',
      [type, value, secret],
    );
    expect(rows).toEqual([
      { identity_id: identityIdOf(type, value), person_id: personIdOf(secret, type, value) },
    ]);
  }
});
