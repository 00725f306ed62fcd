/** What a failure of PostgreSQL asks for. */
export type Remedy =
  /** It refuses a row: find which one, and store the others. */
  | 'bisect'
  /** It is away, busy or broken: the same again later. */
  | 'retry';

// Data exception (untranslatable characters too), integrity constraint violation, program limit exceeded such as JSON
// nested deeper than the stack: another try meets the same row.
const refusals = /^(?:22|23|54)/;

/** What to do after a failed transaction of the writer. */
export function remedyFor(error: unknown): Remedy {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  return code.length === 5 && refusals.test(code) ? 'bisect' : 'retry';
}

/** How long to wait before the `attempt`-th repeat (the first is 1). */
export function backoffMs(attempt: number): number {
  return Math.min(50 * 2 ** attempt, 5_000);
}
