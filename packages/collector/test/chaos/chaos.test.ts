import { expect, test } from 'vitest';
import { temporaryFolder } from '../ingest/served.ts';
import { chaos } from './chaos.ts';

// Three rounds in every run of the suite; `npm run bench -- --only chaos` goes on for fifty, at other instants each time.
test('kill -9 of a collector, of a writer and of PostgreSQL under load: nothing acked is lost or there twice, and verify is clean', async () => {
  const killed: string[] = [];
  const sums = await chaos({
    folder: temporaryFolder(),
    rounds: 3,
    seed: 1,
    checkEvery: 3,
    onRound: ({ victim }) => killed.push(victim),
  });
  expect(sums).toMatchObject({ lost: 0, doubled: 0, differences: 0 });
  expect(sums.acked).toBeGreaterThan(200);
  expect(sums.largestMegabytes).toBeLessThan(400);
  expect(killed).toEqual(['collector', 'writer', 'postgres']);
}, 120_000);
