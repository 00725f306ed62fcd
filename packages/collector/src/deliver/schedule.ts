/** How an attempt ended, as far as its sender knows. */
export type Outcome =
  | { kind: 'answered'; status: number; retryAfterMs?: number }
  /** It was never sent: no address, no connection. */
  | { kind: 'not_sent' }
  /** It may have been taken: the connection broke, or no answer came in time. */
  | { kind: 'unknown' };

/** What becomes of the delivery. `pauseMs`: how long its whole webhook is left alone. */
export type NextStep =
  | { kind: 'delivered' }
  | { kind: 'retry'; inMs: number; pauseMs?: number }
  | { kind: 'failed' }
  | { kind: 'gone' };

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

/** The waits of the Standard Webhooks specification: ten attempts within about three days. */
export const standardSchedule: readonly number[] = [
  5 * second,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
];

const longestPauseMs = hour;

/**
 * What becomes of a delivery after its `attempt`-th try (the first is 1). `random` is from 0 to 1: waits are up to a tenth
 * longer, so that what failed together does not come back together.
 */
export function afterAttempt(
  outcome: Outcome,
  {
    attempt,
    random,
    schedule = standardSchedule,
  }: { attempt: number; random: number; schedule?: readonly number[] },
): NextStep {
  if (outcome.kind === 'answered' && outcome.status >= 200 && outcome.status < 300)
    return { kind: 'delivered' };
  if (outcome.kind === 'answered' && outcome.status === 410) return { kind: 'gone' };
  const wait = schedule[attempt - 1];
  if (wait === undefined) return { kind: 'failed' };
  const jittered = wait * (1 + random / 10);
  const asked = outcome.kind === 'answered' ? outcome.retryAfterMs : undefined;
  if (asked === undefined) return { kind: 'retry', inMs: jittered };
  return {
    kind: 'retry',
    inMs: Math.max(jittered, Math.min(asked, 24 * hour)),
    pauseMs: Math.min(asked, longestPauseMs),
  };
}

/** Reads a Retry-After header: seconds, or a date. */
export function retryAfterOf(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * second;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
