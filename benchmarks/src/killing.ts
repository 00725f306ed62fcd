import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chaos, type Victim } from '@milepost/collector/test/chaos/chaos';

import { type Report, say } from './report.ts';

/** Rounds of `kill -9` at random instants under load: what was acked and is lost, there twice, or derived wrongly. */
export async function killing(
  report: Report,
  { rounds, seed }: { rounds: number; seed: number },
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'milepost-chaos-'));
  chmodSync(folder, 0o755); // PostgreSQL may run as another user
  say(`chaos: ${rounds} rounds, --seed ${seed}`);
  const killed: Partial<Record<Victim, number>> = {};
  const startedAt = performance.now();
  try {
    const { lost, doubled, differences, ...sums } = await chaos({
      folder,
      rounds,
      seed,
      checkEvery: 10,
      onRound: ({ number, victim, afterMs, downMs }) => {
        killed[victim] = (killed[victim] ?? 0) + 1;
        say(
          `round ${number}, ${Math.round((performance.now() - startedAt) / 1_000)} s: ${victim} is killed after ${afterMs} ms, for ${downMs} ms`,
        );
      },
      onCheck: (sums) => say(`looked at: ${JSON.stringify(sums)}`),
    });
    report.add({
      name: 'killed_lost_doubled_or_different',
      figure: lost + doubled + differences,
      unit: 'touchpoints or rows',
      bar: { at_most: 0 },
      details: {
        rounds,
        seed,
        killed,
        lost,
        doubled,
        verify_differences: differences,
        acked: sums.acked,
        stored: sums.stored,
        unanswered_requests: sums.unanswered,
        largest_rss_mb: sums.largestMegabytes,
        seconds: (performance.now() - startedAt) / 1_000,
      },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
