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
  | 'unreadable'
  /** A filter (`beforeSend` or a plug-in's) threw, or returned neither a touchpoint nor `null`. */
  | 'filter_failed';

/** What came of one request. `status` is 0 where there was no answer, `retryAfterMs` where it named no time. */
export type Outcome = { status: number; retryAfterMs: number };

/** What to do next with the touchpoints of that request: one of these, or heed the verdicts of a 200. */
export type NextStep = {
  /** Keep them, and try again after so many milliseconds. */
  inMs?: number;
  /** Somebody has to look at it: no wait will mend this. */
  isRefused?: boolean;
  /** Drop them for this reason; those that are only too large together are halved instead. */
  reason?: LossReason;
};

const dayMs = 86_400_000;

/**
 * What becomes of a batch after its `attempt`-th try in a row (the first is 1). `random` (0 to 1) spreads the
 * retries of many browsers. The wait grows by a fifth a try, so that an outage of five seconds is over for us
 * less than two seconds after it is over, and stops growing at a minute.
 */
export function afterAttempt({ status, retryAfterMs }: Outcome, attempt: number, random: number): NextStep {
  if (status === 200) return {};
  if (status === 400 || status === 422) return { reason: 'rejected' };
  if (status === 413) return { reason: 'too_large' };
  // 401, 403, 404 … may be a proxy in between, or a key that is being rotated: keep everything, ask seldom
  const isRefused = ![0, 408, 429].includes(status) && status < 500;
  const longestMs = isRefused ? 600_000 : Math.min(300 * 1.2 ** attempt, 60_000);
  return { inMs: Math.max(longestMs * (0.75 + random / 4), Math.min(retryAfterMs, dayMs)), isRefused };
}

/** Reads a `Retry-After` header: seconds or an HTTP date. 0 if there is none, or none that can be read. */
export function retryAfterMs(header: string | null, now: number): number {
  return Math.max(+header! >= 0 ? +header! * 1_000 : Date.parse(header!) - now, 0) || 0;
}
