import type { Verdict } from '../transport.ts';

/** What came of a request; `status` is 0 where there was no answer. */
export type Answered = { status: number; retryAfter: string | null; verdicts: (Verdict | null)[] };

/** What the tracker does after an answer other than 200, in words. */
export function nextOf({ status, retryAfter }: Omit<Answered, 'verdicts'>, count: number): string {
  const what = count === 1 ? 'the touchpoint' : `the ${count} touchpoints`;
  if (status === 400 || status === 422) return `${status}: ${what} dropped, counted as rejected`;
  if (status === 413) return count > 1 ? `413: ${what} sent in halves` : '413: dropped, counted as too_large';
  const until = retryAfter ? `not before Retry-After (${retryAfter})` : 'soon';
  if (!status) return `no answer: ${what} kept, tried again ${until}`;
  const isRefused = ![408, 429].includes(status) && status < 500;
  return isRefused
    ? `${status}: ${what} kept, tried again within 10 minutes; check writeKey, host and the site's origins`
    : `${status}: ${what} kept, tried again ${until}`;
}
