import { setTimeout as sleep } from 'node:timers/promises';

import type { Scenario } from './scenarios.ts';
import { Visit, type Ground } from './visit.ts';

/** What one visit left behind. */
export type Outcome = {
  fired: number;
  /** Not there before the tracker was loaded again. */
  missing: number;
  lost: number;
  /** Copies of events that are there already. */
  twice: number;
  /** Copies that were accepted although one had been before; where ids are compared, they leave no trace. */
  resent: number;
  /** Seconds from a free way to the last event; null where that needed another page. */
  recovery: number | null;
  /** What was thrown into the page. */
  errors: number;
  notes: Record<string, number>;
};

/** Runs a scenario so many times, as many at once as it allows. */
export async function runAll(scenario: Scenario, ground: Ground, runs: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let next = 0;
  const lane = async () => {
    while (next < runs) outcomes.push(await runOnce(scenario, ground, next++));
  };
  await Promise.all(Array.from({ length: Math.min(scenario.lanes, runs) }, lane));
  return outcomes;
}

async function runOnce(scenario: Scenario, ground: Ground, index: number): Promise<Outcome> {
  const { patience } = ground;
  const visit = await Visit.begin(ground, index);
  try {
    await scenario.before?.(visit);
    await visit.arrive('/shop');
    await scenario.act(visit);
    const recovery = await visit.arrived(scenario.isGone ? 2_000 : patience.stayMs);
    const missing = recovery === null ? visit.fired - (await visit.copies()).size : 0;
    if (scenario.isWithoutReturn === undefined) {
      // the visitor comes back: whatever was kept is sent now at the latest, before or with one more call
      visit.page = await visit.open('/shop/again');
      await visit.fire(1);
    }
    await visit.arrived(patience.returnMs);
    await sleep(patience.graceMs);
    const copies = await visit.copies();
    return {
      fired: visit.fired,
      missing,
      lost: visit.fired - copies.size,
      twice: repeatsIn(copies),
      resent: repeatsIn(visit.gate.accepted),
      recovery,
      errors: visit.errors.length,
      notes: visit.notes,
    };
  } finally {
    await visit.end();
  }
}

function repeatsIn(copies: Map<string, number>): number {
  return [...copies.values()].reduce((repeats, count) => repeats + count - 1, 0);
}
