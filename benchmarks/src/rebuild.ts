import { availableParallelism } from 'node:os';

import { rebuild } from '@milepost/collector/derive/rebuild';
import { verify } from '@milepost/collector/derive/verify';

import { fill } from './lookup.ts';
import { type Report, say } from './report.ts';
import type { Stand } from './stand.ts';

/**
 * A rebuild of a whole history over what is derived of it already, one worker per CPU, as a multiple of the rate at which
 * touchpoints are derived as they come. `verify` must find nothing afterwards.
 */
export async function rebuilding(
  stand: Stand,
  report: Report,
  { derivedRate, touchpoints }: { derivedRate: number | null; touchpoints: number },
): Promise<void> {
  await fill(stand, touchpoints);
  say('rebuild: deriving them again');
  const again = await timed(stand);
  say('rebuild: verifying');
  const { differences } = await verify(stand.pool);
  if (differences.length > 0) throw new Error(`verify finds ${differences.length} differences`);
  if (again.changed > 0)
    throw new Error(`a rebuild that had nothing to change changed ${again.changed} rows`);
  const figure = touchpoints / again.seconds;
  report.add({
    name: 'rebuild',
    figure,
    unit: 'touchpoints/s',
    ...(derivedRate !== null && {
      limit: { what: 'derived as they come', figure: derivedRate },
      ratio: figure / derivedRate,
    }),
    bar: { at_least: derivedRate === null ? 28_000 : 5 },
    details: {
      touchpoints,
      workers: availableParallelism(),
      seconds: again.seconds,
      differences: differences.length,
    },
  });
}

async function timed(stand: Stand): Promise<{ seconds: number; changed: number }> {
  const startedAt = performance.now();
  const changed = await rebuild(stand.pool);
  return { seconds: (performance.now() - startedAt) / 1_000, changed };
}
