/** Why a touchpoint never reached the collector. Counted, and told to the collector with the next batch. */
export type LossReason =
  /** The collector refused the whole request (400, 422). */
  | 'rejected'
  /** Over 128 KiB alone, or refused with 413 although it was sent alone. */
  | 'too_large'
  /** The oldest of a queue that had grown past its limits. */
  | 'queue_full'
  /** Waited for 30 days. */
  | 'expired'
  /** Properties that JSON cannot hold (a cycle, a BigInt, a getter that throws), or a damaged queue entry. */
  | 'unreadable';

/** What came of one request. `status` is 0 where there was no answer, `retryAfterMs` where it named no time. */
export type Outcome = { status: number; retryAfterMs: number };

/** What to do next with the touchpoints of that request. */
export type NextStep =
  | { kind: 'judged' }
  | { kind: 'retry'; inMs: number; cause: 'failure' | 'told' | 'refused' }
  | { kind: 'split' }
  | { kind: 'drop'; reason: LossReason };

const dayMs = 86_400_000;

/**
 * What becomes of a batch after its `attempt`-th try in a row (the first is 1). `random` (0 to 1) spreads the
 * retries of many browsers. The wait grows by a third a try, so that an outage of five seconds is over for us
 * less than two seconds after it is over, and stops growing at a minute.
 */
export function afterAttempt({ status, retryAfterMs }: Outcome, attempt: number, random: number): NextStep {
  if (status === 200) return { kind: 'judged' };
  if (status === 400 || status === 422) return { kind: 'drop', reason: 'rejected' };
  if (status === 413) return { kind: 'split' };
  const isFailure = !status || status === 408 || status === 429 || status >= 500;
  // 401, 403, 404 … may be a proxy in between, or a key that is being rotated: keep everything, ask seldom
  const longestMs = isFailure ? Math.min(300 * 1.33 ** attempt, 60_000) : 600_000;
  return {
    kind: 'retry',
    inMs: Math.max(longestMs * (0.5 + random / 2), Math.min(retryAfterMs, dayMs)),
    cause: retryAfterMs ? 'told' : isFailure ? 'failure' : 'refused',
  };
}

/** Reads a `Retry-After` header: seconds or an HTTP date. 0 if there is none, or none that can be read. */
export function retryAfterMs(header: string | null, now: number): number {
  const ms = +header! >= 0 ? +header! * 1_000 : Date.parse(header!) - now;
  return ms > 0 ? ms : 0;
}
