import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type JudgeOptions, judge } from './judge.ts';
import { touchpointSchema } from './touchpoint.ts';

const receivedAt = Date.UTC(2026, 0, 5, 12);
const options: JudgeOptions = {
  isTrusted: false,
  receivedAt,
  sentAt: null,
  oldestLive: Date.UTC(2024, 11, 5, 12),
  retainedFrom: -Infinity,
  consentRequired: false,
};
const fit = { id: 'a', name: 'page_view', anonymous_id: 'ada', occurred_at: '2026-01-05T11:00:00.000Z' };

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
}

test.each([
  { what: 'the least there is', event: {} },
  { what: 'unknown fields', event: { integrations: {}, _metadata: 5, messageId: 'x' } },
  { what: 'a whole number as user id', event: { anonymous_id: undefined, user_id: 42 } },
  { what: 'a worthless user id beside a good anonymous one', event: { user_id: 'guest' } },
  { what: 'another identity alone', event: { anonymous_id: null, identities: { loyalty_card: ['7'] } } },
  { what: 'a sequence as text', event: { sequence: '12' } },
  { what: 'milliseconds', event: { occurred_at: receivedAt } },
  { what: 'an identify without a name', event: { name: null, type: 'identify', traits: { plan: 'pro' } } },
  {
    what: 'consent to analytics alone',
    event: { context: { consent: { analytics: 'granted', marketing: 'denied' } } },
  },
  { what: 'items nobody can read', event: { name: 'add_to_cart', properties: { items: 'seven' } } },
  { what: 'an NPS score', event: { name: 'survey_answered', properties: { kind: 'nps', score: '10' } } },
  { what: 'a campaign id made a number', event: { context: { campaign: { id: 7 }, page: { title: null } } } },
  { what: 'the deepest nesting', event: { properties: { deep: nested(63) } } },
])('accepts $what', ({ event }) => {
  expect(judge({ ...fit, ...event }, options)).toEqual({ ok: true });
});

test.each([
  { event: null, reason: 'invalid', detail: ': must be object' },
  { event: [], reason: 'invalid', detail: ': must be object' },
  { event: { ...fit, id: undefined }, reason: 'invalid', detail: '/id: is missing' },
  { event: { ...fit, id: 7 }, reason: 'invalid', detail: '/id: must be string' },
  {
    event: { ...fit, id: 'x'.repeat(101) },
    reason: 'invalid',
    detail: '/id: must NOT have more than 100 characters',
  },
  { event: { ...fit, name: undefined }, reason: 'invalid', detail: '/name: a track needs a name' },
  { event: { ...fit, name: ' ' }, reason: 'invalid', detail: '/name: a track needs a name' },
  { event: { ...fit, properties: [] }, reason: 'invalid', detail: '/properties: must be object' },
  {
    event: { ...fit, properties: { deep: nested(64) } },
    reason: 'invalid',
    detail: '/properties: nested deeper than 64',
  },
  { event: { ...fit, occurred_at: undefined }, reason: 'bad_time', detail: '/occurred_at: is missing' },
  {
    event: { ...fit, occurred_at: 'yesterday' },
    reason: 'bad_time',
    detail: '/occurred_at: no readable time',
  },
  { event: { ...fit, occurred_at: {} }, reason: 'bad_time', detail: '/occurred_at: must be string' },
  { event: { ...fit, occurred_at: '2024-12-05T11:59:59.999Z' }, reason: 'too_old' },
  { event: { ...fit, anonymous_id: undefined }, reason: 'no_identity' },
  { event: { ...fit, anonymous_id: '000-000', user_id: 'null' }, reason: 'no_identity' },
  { event: { ...fit, anonymous_id: undefined, identities: { email: ['none'] } }, reason: 'no_identity' },
  { event: { ...fit, source: 'store' }, reason: 'source_not_allowed' },
  { event: { ...fit, source: 'phone' }, reason: 'source_not_allowed' },
  { event: { ...fit, source: 'support' }, reason: 'source_not_allowed' },
  { event: { ...fit, context: { consent: 'denied' } }, reason: 'consent_denied' },
  { event: { ...fit, context: { consent: { analytics: false } } }, reason: 'consent_denied' },
  { event: { ...fit, name: 'survey_answered', properties: { kind: 'nps', score: 11 } }, reason: 'invalid' },
  { event: { ...fit, properties: { text: 'x'.repeat(128 * 1024) } }, reason: 'too_large' },
])('rejects $event as $reason', ({ event, reason, detail }) => {
  expect(judge(event, options)).toMatchObject({ ok: false, reason, ...(detail ? { detail } : {}) });
});

test('what happened before what the site keeps is refused, from whoever and however old a touchpoint may be', () => {
  const retained = { ...options, oldestLive: null, isTrusted: true, retainedFrom: Date.UTC(2025, 0, 1) };
  const event = { ...fit, occurred_at: '2024-12-31T23:59:59.999Z' };
  expect(judge(event, retained)).toMatchObject({ ok: false, reason: 'before_retention' });
  expect(judge({ ...fit, occurred_at: '2025-01-01T00:00:00Z' }, retained)).toEqual({ ok: true });
});

test('a secret key may speak for store, phone and support, and of any age when importing', () => {
  const trusted = { ...options, isTrusted: true, oldestLive: null };
  expect(judge({ ...fit, source: 'store', occurred_at: '1997-01-01' }, trusted)).toEqual({ ok: true });
});

test('age is judged by the collector’s clock', () => {
  // The client's clock is a day behind; its `occurred_at` alone would be too old.
  const sentAt = receivedAt - 86_400_000;
  const event = { ...fit, occurred_at: '2024-12-05T00:00:00.000Z' };
  expect(judge(event, options)).toMatchObject({ reason: 'too_old' });
  expect(judge(event, { ...options, sentAt })).toEqual({ ok: true });
});

test.each([
  { own: undefined, shared: undefined, reason: 'consent_required' },
  { own: 'pending', shared: undefined, reason: 'consent_required' },
  { own: undefined, shared: 'denied', reason: 'consent_denied' },
  { own: 'granted', shared: 'denied', reason: undefined },
  { own: undefined, shared: 'granted', reason: undefined },
])('where consent is required, $own over $shared gives $reason', ({ own, shared, reason }) => {
  const event = { ...fit, context: { consent: own } };
  const sharedContext = { consent: shared };
  const verdict = judge(event, { ...options, consentRequired: true, sharedContext });
  expect(verdict).toEqual(reason ? expect.objectContaining({ ok: false, reason }) : { ok: true });
});

test('a small body is not measured event by event', () => {
  const event = { ...fit, properties: { text: 'x'.repeat(200_000) } };
  expect(judge(event, { ...options, bodyBytes: 128 * 1024 })).toEqual({ ok: true });
  expect(judge(event, { ...options, bodyBytes: 128 * 1024 + 1 })).toMatchObject({ reason: 'too_large' });
});

test('no value makes it throw, and what it accepts the zod schema accepts too', () => {
  const fields = fc.record(
    {
      id: fc.anything(),
      name: fc.anything(),
      anonymous_id: fc.anything(),
      user_id: fc.anything(),
      identities: fc.anything(),
      occurred_at: fc.oneof(fc.date({ noInvalidDate: true }).map(String), fc.anything()),
      properties: fc.anything(),
      context: fc.anything(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue(),
        fields,
        fields.map((some) => ({ ...fit, ...some })),
      ),
      (value) => {
        const event: unknown = JSON.parse(JSON.stringify(value) ?? 'null');
        if (judge(event, options).ok) expect(touchpointSchema.safeParse(event).success).toBe(true);
      },
    ),
  );
});
