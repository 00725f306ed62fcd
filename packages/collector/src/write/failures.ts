import type { Way } from './store.ts';

/** What a failure of PostgreSQL asks for. */
export type Remedy =
  /** A row taken for new is stored already: the same again, by the way that checks. */
  | 'check'
  /** It refuses a row: find which one, and store the others. */
  | 'bisect'
  /** It is away, busy or broken: the same again later. */
  | 'retry';

// Data exception (untranslatable characters too), integrity constraint violation, program limit exceeded such as JSON
// nested deeper than the stack: another try meets the same row.
const refusals = /^(?:22|23|54)/;

/** What to do after a transaction of the writer failed that took this way. */
export function remedyFor(error: unknown, way: Way): Remedy {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  if (code === '23505' && way === 'copy') return 'check';
  return code.length === 5 && refusals.test(code) ? 'bisect' : 'retry';
}

/** How long to wait before the `attempt`-th repeat (the first is 1). */
export function backoffMs(attempt: number): number {
  return Math.min(50 * 2 ** attempt, 5_000);
}
