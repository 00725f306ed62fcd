/** The same seed, the same random cases. `MILEPOST_TEST_SEED` takes others, `MILEPOST_TEST_SEED=random` new ones each time. */
export const seed = (() => {
  const given = process.env['MILEPOST_TEST_SEED'] ?? '1997';
  return given === 'random' ? Math.floor(Math.random() * 0x7fff_ffff) : Number(given);
})();

/**
 * How many random cases a property is tried with, and which: a few in every run of the suite, the same each time, so that it
 * fails by what was changed alone. `MILEPOST_TEST_RUNS=1000` looks at more.
 *
 * @param secondsEach How long one case may take; a failure that is being made smaller stops in time to be told.
 */
export function propertyRuns(secondsEach = 5): {
  runs: { numRuns: number; seed: number; interruptAfterTimeLimit: number };
  timeout: number;
} {
  const numRuns = Number(process.env['MILEPOST_TEST_RUNS'] ?? 4);
  const timeout = 60_000 + numRuns * secondsEach * 1_000;
  return { runs: { numRuns, seed, interruptAfterTimeLimit: timeout - 20_000 }, timeout };
}
