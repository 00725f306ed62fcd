import { createHash } from 'node:crypto';
import { type Touchpoint, identityIdOf } from '@milepost/shared';
import { expect, test } from 'vitest';
import type { Envelope } from '../buffer/buffer.ts';
import { type TouchpointRow, rowOf, sharedFactsOf } from './row.ts';

const receivedAt = Date.UTC(2026, 0, 5, 12);
const envelope: Envelope = { siteId: 1, receivedAt, isTrusted: false, ingestedBy: 'events' };
const event: Touchpoint = {
  id: '01a20163-965e-7c83-837c-c706267fb9f7',
  name: 'page_view',
  anonymous_id: 'ada',
  occurred_at: '2026-01-05T11:00:00.000Z',
};

type Given = {
  event?: Record<string, unknown>;
  envelope?: Partial<Envelope>;
  batch?: Parameters<typeof sharedFactsOf>[0];
};

function row(given: Given = {}): TouchpointRow {
  const whole = { ...envelope, ...given.envelope };
  return rowOf({ ...event, ...given.event }, whole, sharedFactsOf(given.batch ?? {}, whole));
}

function parsed(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}

test('a touchpoint becomes a row', () => {
  expect(row({ batch: { sent_at: receivedAt - 40 } })).toEqual({
    siteId: 1,
    touchpointId: event.id,
    identityId: identityIdOf('anonymous_id', 'ada'),
    occurredAt: receivedAt - 3_600_000,
    sequence: 0,
    receivedAt,
    sentAt: receivedAt - 40,
    clientTime: receivedAt - 3_600_000,
    name: 'page_view',
    type: 'page',
    source: 'web',
    ingestedBy: 'events',
    isTrusted: false,
    anonymousId: 'ada',
    userId: null,
    accountId: null,
    identities: null,
    properties: null,
    traits: null,
    context: null,
    givenId: null,
    botReason: null,
    internalReason: null,
    flags: null,
  });
});

test('a clock that is an hour slow is set right, and its own time kept', () => {
  const { occurredAt, clientTime } = row({ batch: { sent_at: '2026-01-05T11:00:00Z' } });
  expect([occurredAt, clientTime]).toEqual([receivedAt, receivedAt - 3_600_000]);
});

test('a sent_at that nobody can read shifts nothing and is flagged', () => {
  const { occurredAt, sentAt, flags } = row({ batch: { sent_at: 'soon' } });
  expect([occurredAt, sentAt, flags]).toEqual([receivedAt - 3_600_000, null, ['bad_sent_at']]);
});

test.each([
  { what: 'the anonymous id', event: { user_id: 'u' }, lead: ['anonymous_id', 'ada'] },
  { what: 'the user id', event: { anonymous_id: null, user_id: 42 }, lead: ['user_id', '42'] },
  {
    what: 'the user id where the anonymous one is worthless',
    event: { anonymous_id: 'null', user_id: 'u' },
    lead: ['user_id', 'u'],
  },
  {
    what: 'the first other identity by type',
    event: { anonymous_id: null, identities: { loyalty_card: 7, crm: ['none', 'c1'] } },
    lead: ['crm', 'c1'],
  },
])('the lead identity is $what', ({ event: given, lead: [type, value] }) => {
  expect(row({ event: given }).identityId).toBe(identityIdOf(type!, value!));
});

test('worthless ids are left out and flagged', () => {
  const { anonymousId, userId, flags } = row({ event: { user_id: ' Guest ' } });
  expect([anonymousId, userId, flags]).toEqual(['ada', null, ['worthless_id']]);
});

test('other identities are lists by type; addresses and numbers are hashed in their normal form', () => {
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const { identities, userId } = row({
    event: {
      identities: { user_id: 'u', phone: '+49 (0)30-1', loyalty_card: 7, email: ['Ada@Example.com '] },
      traits: { email: 'ada@example.com' },
    },
  });
  expect(userId).toBe('u');
  expect(parsed(identities)).toEqual({
    email_sha256: [sha256('ada@example.com')],
    loyalty_card: ['7'],
    phone_sha256: [sha256('+490301')],
  });
});

test.each([
  { event: { source: 'email' }, source: 'email' },
  { event: { channel: 'mobile' }, source: 'app' },
  { event: { channel: 'constructor' }, source: 'web' },
  { event: { context: { library: { name: '@segment/analytics-node' } } }, source: 'server' },
  { event: { context: { library: { name: 'analytics-python' } } }, source: 'server' },
  { event: { context: { library: { name: 'RudderLabs JavaScript SDK' } } }, source: 'web' },
  { event: { context: { library: { name: 'analytics.js' } } }, source: 'web' },
  { event: {}, source: 'web' },
  { event: { anonymous_id: null, user_id: 'u' }, source: 'server' },
])('$event happened at source $source', ({ event: given, source }) => {
  expect(row({ event: given }).source).toBe(source);
});

test('a visitor’s address is not kept, whoever tells it', () => {
  const batch = { context: { ip: '203.0.113.7', locale: 'de' } };
  expect(parsed(row({ batch }).context)).toEqual({ locale: 'de' });
  const event = { context: { ip: '203.0.113.8', timezone: 'UTC' } };
  expect(parsed(row({ batch, event }).context)).toEqual({ locale: 'de', timezone: 'UTC' });
  expect(row({ event: { context: { ip: '203.0.113.8' } } }).context).toBeNull();
});

test('the batch’s context lies under each touchpoint’s own', () => {
  const batch = { context: { locale: 'de', page: { url: 'https://a.example/' } } };
  expect(parsed(row({ batch }).context)).toEqual(batch.context);
  expect(parsed(row({ batch, event: { context: { locale: 'fr' } } }).context)).toEqual({
    ...batch.context,
    locale: 'fr',
  });
});

test('the browser’s own name is kept; that of a server is not', () => {
  const userAgent = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
  expect(parsed(row({ envelope: { userAgent } }).context)).toEqual({ userAgent });
  expect(row({ envelope: { userAgent, isTrusted: true } }).context).toBeNull();
});

const googlebot = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';
const headless =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/153.0 Safari/537.36';
test.each([
  { what: 'a crawler by header', given: { envelope: { userAgent: googlebot } }, reason: 'user_agent' },
  {
    what: 'a crawler by its own word',
    given: { event: { context: { userAgent: 'curl/8' } } },
    reason: 'user_agent',
  },
  {
    what: 'a crawler by the batch',
    given: { batch: { context: { userAgent: googlebot } } },
    reason: 'user_agent',
  },
  {
    what: 'a headless browser on a public page',
    given: { event: { context: { userAgent: headless, page: { url: 'https://shop.example/' } } } },
    reason: 'user_agent',
  },
  {
    what: 'a headless browser on its own machine',
    given: { event: { context: { userAgent: headless, page: { url: 'http://127.0.0.1:4000/shop' } } } },
    reason: null,
  },
  { what: 'a program that calls the API', given: { envelope: { userAgent: 'node' } }, reason: null },
  {
    what: 'a server with a secret key',
    given: { envelope: { userAgent: googlebot, isTrusted: true } },
    reason: null,
  },
])('$what: $reason', ({ given, reason }) => {
  expect(row(given).botReason).toBe(reason);
});

test('Segment’s names and properties become canonical', () => {
  const { name, properties } = row({
    event: { name: 'Order Completed', properties: { order_id: 'o1', revenue: '5' } },
  });
  expect([name, parsed(properties)]).toEqual(['purchase', { transaction_id: 'o1', value: 5 }]);
});

test('unreadable items and amounts are flagged and kept apart', () => {
  const { properties, flags } = row({
    event: { name: 'purchase', properties: { value: 'much', items: [{ item_id: 'a', quantity: -2 }] } },
  });
  expect(flags).toEqual(['bad_items', 'bad_amounts']);
  expect(parsed(properties)).toEqual({
    items: [{ item_id: 'a' }],
    unread: { '/value': 'much', '/items/0/quantity': -2 },
  });
});

test('the name of a page is not that of its event', () => {
  const { name, properties } = row({ event: { type: 'page', name: 'Home' } });
  expect([name, parsed(properties)]).toEqual(['page_view', { page_title: 'Home' }]);
});

test('what PostgreSQL cannot hold becomes U+FFFD, in texts and in JSON', () => {
  const made = row({
    event: { anonymous_id: 'a\0b', name: 'x\ud800', properties: { '\0': '\udc00 \\u0000 😀 \n' }, id: 'i\0' },
  });
  expect([made.anonymousId, made.name, made.givenId]).toEqual(['a\u{fffd}b', 'x\u{fffd}', 'i\u{fffd}']);
  expect(made.identityId).toBe(identityIdOf('anonymous_id', 'a\u{fffd}b'));
  expect(parsed(made.properties)).toEqual({ '\u{fffd}': '\u{fffd} \\u0000 😀 \n' });
});
