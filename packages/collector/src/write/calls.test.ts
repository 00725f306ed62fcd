import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judge, touchpointTypes } from '@milepost/shared';
import type { Envelope } from '../buffer/buffer.ts';
import { callsOf, lacksId } from '../ingest/segment/calls.ts';
import { sentAtOf, touchpointOf } from '../ingest/segment/touchpoint.ts';
import { prepare } from './prepare.ts';

const receivedAt = Date.parse('2026-11-20T10:00:00Z');

const envelope: Envelope & { segment: NonNullable<Envelope['segment']> } = {
  siteId: 1,
  receivedAt,
  isTrusted: false,
  ingestedBy: 'segment',
  segment: { call: 'batch', fallbackId: `${receivedAt}-nonce` },
};

const prepared = (body: object, more: Partial<Envelope> = {}) =>
  prepare({ envelope: { ...envelope, ...more }, body: Buffer.from(JSON.stringify(body)) });

test('a request that is read again is the same rows, also of calls without an id', () => {
  const body = {
    batch: [
      { userId: 'u1', event: 'a' },
      { userId: 'u1', event: 'a' },
    ],
  };
  const [one, other] = prepared(body).rows;
  expect(one!.touchpointId).not.toBe(other!.touchpointId);
  expect(one!.touchpointId).toMatch(/^01a1f866-0d00-8/); // its time, so its partition
  expect(prepared(body)).toEqual(prepared(body));
  expect(prepare({ envelope, body: Buffer.alloc(0), json: body })).toEqual(prepared(body));
});

test('a single call is a batch of one', () => {
  const call = { messageId: 'm1', userId: 'u1', event: 'a', sentAt: '2026-11-20T10:00:00Z' };
  const single = prepared(call, { segment: { call: 'track' } });
  expect(single.rows).toEqual(prepared({ batch: [call] }).rows);
});

test('each call is corrected by the clock it was sent with', () => {
  const hour = 3_600_000;
  const at = (time: number) => new Date(time).toISOString();
  const { rows } = prepared({
    batch: [
      {
        messageId: '1',
        userId: 'u',
        event: 'slow',
        timestamp: at(receivedAt - hour),
        sentAt: at(receivedAt - hour),
      },
      {
        messageId: '2',
        userId: 'u',
        event: 'right',
        timestamp: at(receivedAt - hour),
        sentAt: at(receivedAt),
      },
      { messageId: '3', userId: 'u', event: 'none', timestamp: at(receivedAt - hour) },
      { messageId: '4', userId: 'u', event: 'bad', timestamp: at(receivedAt - hour), sentAt: 'x' },
      {
        messageId: '5',
        userId: 'u',
        event: 'forwarded',
        timestamp: at(receivedAt - hour),
        sentAt: at(receivedAt - hour),
        receivedAt: at(receivedAt - hour),
      },
    ],
  });
  expect(rows.map(({ name, occurredAt, flags }) => [name, occurredAt - receivedAt, flags])).toEqual([
    ['slow', 0, null],
    ['right', -hour, null],
    ['none', -hour, null],
    ['bad', -hour, ['bad_sent_at']],
    ['forwarded', -hour, null],
  ]);
});

describe('the user agent of the request', () => {
  const body = { batch: [{ messageId: '1', anonymousId: 'a', event: 'x' }] };
  const contextOf = (userAgent: string) => prepared(body, { userAgent }).rows[0]!.context;

  test('is that of the visitor, where a browser sent it', () => {
    expect(contextOf('Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0')).toMatch('Firefox');
  });

  test.each(['analytics-node-next/latest', 'analytics-node/3.0.13', 'curl/8.5', 'python-requests/2'])(
    'is nobody’s, where it is %s',
    (userAgent) => {
      expect(contextOf(userAgent)).toBe(null);
      expect(prepared(body, { userAgent }).rows[0]!.botReason).toBe(null);
    },
  );
});

test('what was rejected is kept as it came', () => {
  const lost = { userId: null, event: 'x', context: { ip: '203.0.113.7' } };
  const { rows, rejects } = prepared(
    { batch: [lost, { userId: 'u', event: 'y' }] },
    { rejected: { 0: { reason: 'no_identity' } } },
  );
  expect(rows.map(({ name }) => name)).toEqual(['y']);
  expect(rejects).toMatchObject([{ reason: 'no_identity', event: JSON.stringify(lost), index: 0 }]);
});

test('whatever comes, what is judged fit becomes a row', () => {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom('', '\0', '\ud800', '__proto__', 'constructor', 0, -1, 1e308, null, [], {}),
    fc.record({ __proto__: fc.jsonValue(), constructor: fc.jsonValue(), id: fc.jsonValue() }),
  );
  const oddContext = fc.oneof(
    odd,
    fc.record(
      {
        page: odd,
        traits: odd,
        externalId: fc.oneof(odd, fc.array(fc.record({ id: odd, type: fc.oneof(odd, fc.constant('card')) }))),
        device: odd,
        consent: fc.oneof(odd, fc.record({ categoryPreferences: odd })),
        userAgent: odd,
        userAgentData: odd,
        library: odd,
        ip: odd,
        groupId: odd,
      },
      { requiredKeys: [] },
    ),
  );
  const call = fc.record(
    {
      type: fc.oneof(fc.constantFrom(...touchpointTypes), odd),
      messageId: fc.oneof(fc.string(), odd),
      anonymousId: fc.oneof(fc.constant('a1'), odd),
      userId: fc.oneof(fc.constant('u1'), odd),
      groupId: odd,
      previousId: odd,
      event: fc.oneof(fc.constantFrom('Order Completed', 'x'), odd),
      name: odd,
      category: odd,
      properties: odd,
      traits: odd,
      context: oddContext,
      identities: odd,
      timestamp: fc.oneof(fc.constant('2026-11-20T09:00:00Z'), odd),
      originalTimestamp: odd,
      sentAt: odd,
      receivedAt: odd,
      channel: odd,
      source: odd,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(call, odd), { maxLength: 5 }),
      oddContext,
      odd,
      (calls, context, sentAt) => {
        const body = JSON.parse(JSON.stringify({ batch: calls, context, sentAt })) as Record<string, unknown>;
        const before = JSON.stringify(body);
        const batch = callsOf(body, 'batch');
        const { call: kind, fallbackId } = envelope.segment;
        const fit = batch.calls.filter((given, index) => {
          expect(lacksId(given)).toBeTypeOf('boolean');
          sentAtOf(given, batch);
          const facts = { call: kind, index, receivedAt, fallbackId, batch };
          const options = {
            isTrusted: false,
            receivedAt,
            sentAt: null,
            oldestLive: null,
            retainedFrom: -Infinity,
            consentRequired: false,
          };
          return judge(touchpointOf(given, facts), options).ok;
        });
        // nothing is rejected here, so what was not fit is refused by the writer or stored as it is; what was, is a row
        const rejected = Object.fromEntries(
          batch.calls.flatMap((given, index) =>
            fit.includes(given) ? [] : [[index, { reason: 'invalid' as const }]],
          ),
        );
        const { rows, rejects } = prepare({
          envelope: { ...envelope, rejected },
          body: Buffer.alloc(0),
          json: body,
        });
        expect(rows).toHaveLength(fit.length);
        expect(rejects.map(({ reason }) => reason)).toEqual(Object.keys(rejected).map(() => 'invalid'));
        expect(JSON.stringify(body)).toBe(before); // the buffer remembers it for the writer
      },
    ),
    { numRuns: 500 },
  );
});
