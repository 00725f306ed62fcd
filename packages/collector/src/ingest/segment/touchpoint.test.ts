import { describe, expect, test } from 'vitest';
import { judge } from '@milepost/shared';
import type { SegmentCall } from './calls.ts';
import { sentAtOf, touchpointOf } from './touchpoint.ts';

const receivedAt = Date.parse('2026-11-20T10:00:00Z');

function read(
  call: unknown,
  { by = 'batch', context }: { by?: SegmentCall; context?: unknown } = {},
): Record<string, unknown> {
  const batch = { sentAt: undefined, context };
  return touchpointOf(call, { call: by, index: 3, receivedAt, fallbackId: 'f', batch }) as Record<
    string,
    unknown
  >;
}

test('a track is a touchpoint of that name', () => {
  expect(
    read({
      type: 'track',
      messageId: 'ajs-next-1795411716284-80eb',
      event: 'Order Completed',
      anonymousId: 'a1',
      userId: 'u1',
      timestamp: '2026-11-20T09:59:00.000Z',
      properties: { order_id: 'o1' },
      integrations: { All: false },
    }),
  ).toEqual({
    id: 'ajs-next-1795411716284-80eb',
    type: 'track',
    name: 'Order Completed',
    anonymous_id: 'a1',
    user_id: 'u1',
    occurred_at: '2026-11-20T09:59:00.000Z',
    properties: { order_id: 'o1' },
    context: {},
  });
});

test('a route names the type of its call; in a batch a call without one is a track', () => {
  expect(read({ userId: 'u1', type: 'track' }, { by: 'identify' })).toMatchObject({ type: 'identify' });
  expect(read({ event: 'Signed Up' })).toMatchObject({ type: 'track', name: 'Signed Up' });
});

test.each([
  { type: 'page', expected: { name: 'Home', properties: { category: 'Docs', x: 1 } } },
  { type: 'screen', expected: { name: 'Home', properties: { category: 'Docs', x: 1 } } },
  { type: 'identify', expected: { name: undefined, traits: { plan: 'pro' } } },
])('a $type keeps what is its own', ({ type, expected }) => {
  const call = { type, name: 'Home', category: 'Docs', properties: { x: 1 }, traits: { plan: 'pro' } };
  expect(read(call)).toMatchObject(expected);
});

test('a group is about an account, an alias about an earlier id', () => {
  expect(read({ type: 'group', groupId: 'g1', userId: 'u1', traits: { name: 'Acme' } })).toMatchObject({
    account_id: 'g1',
    user_id: 'u1',
    traits: { name: 'Acme' },
  });
  expect(read({ type: 'alias', previousId: 'a1', userId: 'u1' })).toMatchObject({
    previous_id: 'a1',
    user_id: 'u1',
  });
});

describe('ids', () => {
  test.each([undefined, null, ''])('a call with the id %j gets one, the same each time it is read', (id) => {
    expect(read({ messageId: id, event: 'x' })['id']).toBe('f-3');
  });

  test('an empty text is nobody', () => {
    expect(read({ event: 'x', userId: '', anonymousId: 'a1' })).toMatchObject({
      user_id: undefined,
      anonymous_id: 'a1',
    });
  });

  test('ids in other systems are identities', () => {
    const externalId = [
      { id: 'lc-1', type: 'loyalty_card' },
      { id: 2, type: 'loyalty_card' },
      { id: 'x', type: 'Not Ours' },
      { id: 'y', type: 'constructor' },
      { id: '', type: 'empty' },
      'nothing',
    ];
    const touchpoint = read({ event: 'x', messageId: '1', context: { externalId, app: { name: 'shop' } } });
    expect(touchpoint).toMatchObject({
      identities: { loyalty_card: ['lc-1', 2], constructor: ['y'] },
      context: { app: { name: 'shop' } },
    });
    expect(touchpoint['context']).not.toHaveProperty('externalId');
  });
});

describe('times', () => {
  test.each([
    { call: { timestamp: 't', originalTimestamp: 'o' }, expected: 't' },
    { call: { originalTimestamp: 'o' }, expected: 'o' },
    { call: { timestamp: null }, expected: receivedAt },
    { call: {}, expected: receivedAt },
  ])('$call happened at $expected', ({ call, expected }) => {
    expect(read({ event: 'x', ...call })['occurred_at']).toBe(expected);
  });

  test.each([
    { call: { sentAt: 'own' }, sentAt: undefined, expected: 'own' },
    { call: { sentAt: 'own' }, sentAt: 'batch', expected: 'batch' },
    { call: {}, sentAt: undefined, expected: undefined },
    // another collector has corrected it, perhaps hours ago
    { call: { sentAt: 'own', receivedAt: 'r' }, sentAt: 'batch', expected: undefined },
  ])('$call in a batch sent at $sentAt was sent at $expected', ({ call, sentAt, expected }) => {
    expect(sentAtOf(call, { sentAt })).toBe(expected);
  });
});

describe('traits', () => {
  test('those in the context are the person’s, and its own win', () => {
    const context = { traits: { plan: 'free', city: 'Graz' }, locale: 'de' };
    const touchpoint = read({ type: 'identify', userId: 'u', context, traits: { plan: 'pro' } });
    expect(touchpoint).toMatchObject({ traits: { plan: 'pro', city: 'Graz' }, context: { locale: 'de' } });
    expect(touchpoint['context']).not.toHaveProperty('traits');
  });

  test('none at all are none', () => {
    expect(read({ event: 'x', context: { traits: {} } })['traits']).toBeUndefined();
  });

  test('a group’s are the account’s, and the person’s stay where they are', () => {
    const touchpoint = read({ type: 'group', groupId: 'g', context: { traits: { email: 'a@b.c' } } });
    expect(touchpoint['traits']).toBeUndefined();
    expect(touchpoint['context']).toMatchObject({ traits: { email: 'a@b.c' } });
  });
});

test('what a batch says of all its calls lies under what each says', () => {
  const call = { event: 'x', messageId: '1', userId: 'u', context: { locale: 'de' } };
  expect(read(call, { context: { locale: 'en', timezone: 'UTC' } })['context']).toEqual({
    locale: 'de',
    timezone: 'UTC',
  });
});

test.each(['browser', 'web'])('the channel %s is the web', (channel) => {
  expect(read({ event: 'x', channel })['channel']).toBe('web');
});

test.each([null, 1, 'x', [], [[]]])('%j is no call, and is judged as what it is', (call) => {
  const touchpoint = touchpointOf(call, {
    call: 'batch',
    index: 0,
    receivedAt,
    fallbackId: undefined,
    batch: { sentAt: null, context: null },
  });
  expect(touchpoint).toBe(call);
});

test.each([
  { context: 'text' },
  { context: ['list'] },
  { context: { page: 'x' } },
  { context: { device: 7 } },
  { context: { campaign: 'x' } },
  { properties: [] },
  { traits: 'x' },
  { type: 'delete' },
  { type: 7 },
  { messageId: 7 },
  { messageId: 'x'.repeat(101) },
  { anonymousId: {} },
])('a call with %j is rejected alone', (wrong) => {
  const call = { event: 'x', messageId: '1', userId: 'u', ...wrong };
  const verdict = judge(read(call), {
    isTrusted: false,
    receivedAt,
    sentAt: null,
    oldestLive: null,
    retainedFrom: -Infinity,
    consentRequired: false,
  });
  expect(verdict).toMatchObject({ ok: false, reason: 'invalid' });
});
