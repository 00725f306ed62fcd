import { describe, expect, test } from 'vitest';
import { afterAttempt, retryAfterOf, standardSchedule, type Outcome } from './schedule.ts';

const answered = (status: number, retryAfterMs?: number): Outcome => ({
  kind: 'answered',
  status,
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});
const after = (outcome: Outcome, attempt = 1, random = 0) => afterAttempt(outcome, { attempt, random });

describe('after an attempt', () => {
  test.each([200, 201, 204, 299])('%d is a delivery', (status) => {
    expect(after(answered(status))).toEqual({ kind: 'delivered' });
  });

  test.each([301, 307, 400, 404, 429, 500, 503])('%d is tried again', (status) => {
    expect(after(answered(status))).toEqual({ kind: 'retry', inMs: 5_000 });
  });

  test.each(['not_sent', 'unknown'] as const)('%s is tried again', (kind) => {
    expect(after({ kind })).toEqual({ kind: 'retry', inMs: 5_000 });
  });

  test('410 ends the webhook', () => {
    expect(after(answered(410))).toEqual({ kind: 'gone' });
  });

  test('the tenth failure is the last, after the waits of the specification', () => {
    const waits = standardSchedule.map((_, index) => after(answered(500), index + 1));
    const hours = waits.map((step) => (step.kind === 'retry' ? step.inMs / 3_600_000 : 0));
    expect(hours.slice(3)).toEqual([2, 5, 10, 14, 20, 24]);
    expect(hours.reduce((sum, hour) => sum + hour)).toBeCloseTo(75 + 35 / 60 + 5 / 3_600);
    expect(after(answered(500), 10)).toEqual({ kind: 'failed' });
  });

  test('waits are up to a tenth longer', () => {
    expect(after(answered(500), 2, 1)).toEqual({ kind: 'retry', inMs: 330_000 });
  });

  test('Retry-After is honoured where it is longer, up to a day, and pauses the webhook for an hour at most', () => {
    expect(after(answered(429, 60_000))).toEqual({ kind: 'retry', inMs: 60_000, pauseMs: 60_000 });
    expect(after(answered(503, 1_000))).toEqual({ kind: 'retry', inMs: 5_000, pauseMs: 1_000 });
    expect(after(answered(503, 1e12))).toEqual({ kind: 'retry', inMs: 86_400_000, pauseMs: 3_600_000 });
  });
});

test('Retry-After is seconds or a date', () => {
  const now = Date.parse('2026-11-20T09:00:00Z');
  expect(retryAfterOf('120', now)).toBe(120_000);
  expect(retryAfterOf('Fri, 20 Nov 2026 09:01:00 GMT', now)).toBe(60_000);
  expect(retryAfterOf('Fri, 20 Nov 2026 08:00:00 GMT', now)).toBe(0);
  expect(retryAfterOf('soon', now)).toBeUndefined();
  expect(retryAfterOf(undefined, now)).toBeUndefined();
});
