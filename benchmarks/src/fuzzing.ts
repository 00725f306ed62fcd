import { verify } from '@milepost/collector/derive/verify';
import { fuzz } from '@milepost/collector/test/ingest/fuzz';

import { residentMegabytes } from './machine.ts';
import { type Report, say } from './report.ts';
import { slopeOf } from './slope.ts';
import { type Stand, startCollector } from './stand.ts';
import { goals, untilDerived, untilStored } from './throughput.ts';

/**
 * Hostile requests, one after the other over sixteen connections: none may be answered by a 5xx or by nothing, the process
 * stays the same and as large as it was, what was stored is derived, and `verify` finds no difference.
 */
export async function fuzzing(
  stand: Stand,
  report: Report,
  { requests, seed }: { requests: number; seed: number },
): Promise<void> {
  const { writeKey, secretKey } = stand.sites[0]!;
  const collector = await startCollector(stand, { roles: goals.derived.roles });
  try {
    say(`fuzz: ${requests} hostile requests, --seed ${seed}`);
    const memory: { at: number; value: number }[] = [];
    const startedAt = performance.now();
    const elapsed = (): number => (performance.now() - startedAt) / 1_000;
    const { answers, failed } = await fuzz({
      url: collector.url,
      writeKey,
      secretKey,
      requests,
      seed,
      onProgress: {
        every: Math.ceil(requests / 100),
        call: (sent) => {
          const value = residentMegabytes(collector.pid) ?? 0;
          memory.push({ at: sent / 100_000, value });
          say(`fuzz: ${sent} sent, ${Math.round(sent / elapsed())}/s, ${value} MB`);
        },
      },
    });
    const seconds = elapsed();
    for (const failure of failed.slice(0, 5)) {
      say(`fuzz: ${failure.answered} at ${failure.at}: ${failure.request.method} ${failure.request.url}`);
    }
    await untilStored(collector);
    await untilDerived(stand);
    const { rows } = await stand.pool.query<{ touchpoints: string; rejected: string; unstorable: string }>(
      `select
         (select count(*) from store.touchpoints) as touchpoints,
         count(*) as rejected,
         count(*) filter (where reason = 'unstorable') as unstorable
       from store.rejected_events`,
    );
    say('fuzz: verify');
    const { differences } = await verify(stand.pool);
    if (differences.length > 0) throw new Error(`verify finds ${JSON.stringify(differences.slice(0, 3))}`);
    const secondHalf = memory.slice(memory.length >> 1);
    const isAlive = await fetch(`${collector.url}/healthz`).then((answer) => answer.ok);
    report.add({
      name: 'fuzzed_requests_failed',
      figure: failed.length + (isAlive ? 0 : 1),
      unit: 'requests',
      bar: { at_most: 0 },
      details: {
        requests,
        seed,
        seconds,
        requests_per_second: requests / seconds,
        answers: Object.fromEntries([...answers].map(([answer, count]) => [String(answer), count])),
        ...rows[0],
        verify_differences: differences.length,
        rss_mb: {
          after_a_tenth: memory[Math.floor(memory.length / 10)]?.value,
          at_the_end: memory.at(-1)?.value,
          largest: Math.max(...memory.map(({ value }) => value)),
          second_half_slope_per_100000_requests: slopeOf(secondHalf),
        },
      },
    });
  } finally {
    await collector.stop();
  }
}
