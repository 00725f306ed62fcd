import { expect, test } from 'vitest';
import { afterAttempt, retryAfterMs } from './delivery.ts';

const answer = (status: number, retryAfterMs = 0) => ({ status, retryAfterMs });

test.each([
  { status: 200, next: {} },
  { status: 400, next: { reason: 'rejected' } },
  { status: 422, next: { reason: 'rejected' } },
  { status: 413, next: { reason: 'too_large' } },
  { status: 408, next: { isRefused: false } },
  { status: 429, next: { isRefused: false } },
  { status: 500, next: { isRefused: false } },
  { status: 503, next: { isRefused: false } },
  { status: 401, next: { isRefused: true } },
  { status: 403, next: { isRefused: true } },
  { status: 404, next: { isRefused: true } },
  { status: 204, next: { isRefused: true } },
])('$status leads to $next', ({ status, next }) => {
  expect(afterAttempt(answer(status), 1, 0.5)).toMatchObject(next);
});

test('retries after an outage of five seconds come within two, however the dice fall', () => {
  const waitOf = (attempt: number, random: number) => afterAttempt(answer(0), attempt, random).inMs!;
  // the latest retry after the end of the outage: short waits until then, a long one across it
  for (let attempt = 1, time = 0; time < 5_000; attempt++) {
    expect(waitOf(attempt, 1)).toBeLessThan(2_000);
    time += waitOf(attempt, 0);
  }
});

test('the wait stops growing at a minute, for refusals at ten', () => {
  expect(afterAttempt(answer(0), 500, 1)).toMatchObject({ inMs: 60_000 });
  expect(afterAttempt(answer(401), 1, 1)).toMatchObject({ inMs: 600_000 });
});

test('Retry-After holds where it is longer than our own wait, up to a day', () => {
  expect(afterAttempt(answer(429, 7_000), 1, 0)).toMatchObject({ inMs: 7_000 });
  expect(afterAttempt(answer(503, 1), 10, 1)).toMatchObject({ inMs: 300 * 1.2 ** 10 });
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
