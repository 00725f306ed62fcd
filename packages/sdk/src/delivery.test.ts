import { expect, test } from 'vitest';
import { afterAttempt, retryAfterMs } from './delivery.ts';

const answer = (status: number, retryAfterMs = 0) => ({ status, retryAfterMs });

test.each([
  { status: 200, next: { kind: 'judged' } },
  { status: 400, next: { kind: 'drop', reason: 'rejected' } },
  { status: 422, next: { kind: 'drop', reason: 'rejected' } },
  { status: 413, next: { kind: 'split' } },
  { status: 408, next: { kind: 'retry', cause: 'failure' } },
  { status: 429, next: { kind: 'retry', cause: 'failure' } },
  { status: 500, next: { kind: 'retry', cause: 'failure' } },
  { status: 503, next: { kind: 'retry', cause: 'failure' } },
  { status: 401, next: { kind: 'retry', cause: 'refused' } },
  { status: 403, next: { kind: 'retry', cause: 'refused' } },
  { status: 404, next: { kind: 'retry', cause: 'refused' } },
  { status: 204, next: { kind: 'retry', cause: 'refused' } },
])('$status leads to $next', ({ status, next }) => {
  expect(afterAttempt(answer(status), 1, 0.5)).toMatchObject(next);
});

test.each([0, 0.5, 1])('retries after an outage of five seconds come within two (random %d)', (random) => {
  let time = 0;
  let longest = 0;
  for (let attempt = 1; time < 5_000; attempt++) {
    const next = afterAttempt(answer(0), attempt, random);
    if (next.kind !== 'retry') throw new Error('expected a retry');
    longest = next.inMs;
    time += next.inMs;
  }
  expect(longest).toBeLessThan(2_000);
});

test('the wait stops growing at a minute, for refusals at ten', () => {
  expect(afterAttempt(answer(0), 500, 1)).toMatchObject({ inMs: 60_000 });
  expect(afterAttempt(answer(401), 1, 1)).toMatchObject({ inMs: 600_000 });
});

test('Retry-After holds where it is longer than our own wait, up to a day', () => {
  expect(afterAttempt(answer(429, 7_000), 1, 0)).toMatchObject({ inMs: 7_000, cause: 'told' });
  expect(afterAttempt(answer(503, 1), 10, 1)).toMatchObject({ inMs: 300 * 1.33 ** 10, cause: 'told' });
  expect(afterAttempt(answer(503, 1e12), 1, 1)).toMatchObject({ inMs: 86_400_000 });
});

test.each([
  { header: '120', ms: 120_000 },
  { header: 'Sun, 22 Nov 2026 10:00:30 GMT', ms: 30_000 },
  { header: 'Sun, 22 Nov 2026 09:00:00 GMT', ms: 0 },
  { header: 'soon', ms: 0 },
  { header: '', ms: 0 },
  { header: null, ms: 0 },
])('Retry-After: $header is $ms ms', ({ header, ms }) => {
  expect(retryAfterMs(header, Date.parse('2026-11-22T10:00:00Z'))).toBe(ms);
});
