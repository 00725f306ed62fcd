import { setTimeout as sleep } from 'node:timers/promises';

import { type CopyRun, copyChunks, measureCopy } from './copy.ts';
import { prepareLoad, quantile, sendLoad, startOf } from './load.ts';
import { type Report, say } from './report.ts';
import { type Collector, type Stand, startCollector } from './stand.ts';
import { type Usage, startUsage } from './usage.ts';

/** One way to end the clock: which roles run, and what must have happened. */
export type Goal = { name: string; roles: string; bar: number; until: 'stored' | 'derived'; seed: number };

export const goals: Record<'stored' | 'derived', Goal> = {
  stored: { name: 'http_to_stored', roles: 'ingest,write', bar: 0.6, until: 'stored', seed: 11 },
  derived: {
    name: 'http_to_derived',
    roles: 'ingest,write,derive,deliver,api',
    bar: 0.25,
    until: 'derived',
    seed: 12,
  },
};

const connections = 32;

/**
 * HTTP batches of twenty as fast as the collector takes them, until all of it is stored (or derived), as a share of
 * a bare COPY of the same rows before and after. Returns touchpoints a second.
 */
export async function throughput(
  stand: Stand,
  report: Report,
  { goal, touchpoints, isQuick }: { goal: Goal; touchpoints: number; isQuick: boolean },
): Promise<number> {
  const startMs = startOf(touchpoints);
  say(`${goal.name}: bare COPY of ${touchpoints} rows`);
  const chunks = [...copyChunks(stand, { seed: goal.seed, touchpoints, startMs })];
  const bytesPerRow = chunks.reduce((sum, chunk) => sum + chunk.length, 0) / touchpoints;
  const copies: CopyRun[] = [];
  const copy = async () => copies.push(await measureCopy(stand, chunks, touchpoints));
  for (let run = 0; run < (isQuick ? 1 : 2); run += 1) await copy();

  const collector = await startCollector(stand, { roles: goal.roles });
  let figure: number;
  let storedRate: number | null = null;
  let details: Record<string, unknown>;
  let usage: Usage;
  try {
    await warmUp(stand, collector, goal, isQuick ? 5_000 : 20_000);
    const load = prepareLoad(stand.sites, { seed: goal.seed, touchpoints, startMs });
    const storedBefore = await storedCount(stand);
    await stand.pool.query('checkpoint');
    say(`${goal.name}: ${load.requests.length} requests`);
    const endUsage = startUsage(stand, collector);
    const startedAt = performance.now();
    const sent = await sendLoad(load.requests, { url: collector.url, connections, rate: null });
    const storedSeconds = await untilStored(collector).then(() => (performance.now() - startedAt) / 1_000);
    if (goal.until === 'derived') await untilDerived(stand);
    const seconds = (performance.now() - startedAt) / 1_000;
    usage = endUsage(load.distinct);
    const stored = (await storedCount(stand)) - storedBefore;
    if (stored !== load.distinct) throw new Error(`${load.distinct} touchpoints were sent, ${stored} stored`);
    figure = stored / seconds;
    if (goal.until === 'derived') storedRate = stored / storedSeconds;
    details = {
      touchpoints: stored,
      resent: sent.touchpoints - stored,
      seconds,
      seconds_until_answered: sent.seconds,
      ...(goal.until === 'derived' && { seconds_until_stored: storedSeconds }),
      roles: goal.roles,
      connections,
      answer_ms: { p50: quantile(sent.latencies, 0.5), p99: quantile(sent.latencies, 0.99) },
      bytes_per_row: bytesPerRow,
      ...usage,
    };
  } finally {
    await collector.stop();
  }

  await copy();
  const limit = quantile(
    copies.map(({ rowsPerSecond }) => rowsPerSecond),
    0.5,
  );
  report.add({
    name: goal.name,
    figure,
    unit: 'touchpoints/s',
    limit: { what: 'bare COPY', figure: limit },
    ratio: figure / limit,
    bar: { at_least: goal.bar },
    details: {
      ...details,
      ...(storedRate !== null && {
        stored_meanwhile: storedRate,
        stored_meanwhile_ratio: storedRate / limit,
      }),
      copy_rows_per_second: copies.map(({ rowsPerSecond }) => Math.round(rowsPerSecond)),
      copy_cpu_us_per_row: copies.map(({ cpuUsPerRow }) => cpuUsPerRow),
    },
  });
  if (goal.until === 'derived') reportCpu(report, usage, copies);
  return figure;
}

/** What the same run cost in CPU, the load generator apart, beside what the bare COPY costs PostgreSQL. */
function reportCpu(report: Report, usage: Usage, copies: readonly CopyRun[]): void {
  const { collector, postgres, generator } = usage.cpu_us_per_touchpoint;
  if (collector === null || postgres === null)
    return say('cpu_per_event: this system does not tell CPU times');
  const limit = quantile(
    copies.map(({ cpuUsPerRow }) => cpuUsPerRow ?? Number.NaN),
    0.5,
  );
  report.add({
    name: 'cpu_per_event',
    figure: collector + postgres,
    unit: 'µs',
    limit: { what: 'bare COPY', figure: limit },
    bar: { at_most: 150 },
    details: {
      collector,
      postgres,
      postgres_by_process: usage.postgres_cpu_us_per_touchpoint,
      generator_apart: generator,
      times_bare_copy: (collector + postgres) / limit,
      peak_rss_mb: usage.peak_rss_mb,
    },
  });
}

async function warmUp(stand: Stand, collector: Collector, goal: Goal, touchpoints: number): Promise<void> {
  const { requests } = prepareLoad(stand.sites, {
    seed: goal.seed + 1_000,
    touchpoints,
    startMs: startOf(touchpoints),
  });
  await sendLoad(requests, { url: collector.url, connections, rate: null });
  await untilStored(collector);
  if (goal.until === 'derived') await untilDerived(stand);
}

/** Waits until the buffer is empty: what it held is committed. */
export async function untilStored(collector: Collector): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (Date.now() < deadline) {
    const metrics = await fetch(`${collector.url}/metrics`).then((response) => response.text());
    if (/^milepost_buffer_entries 0$/m.test(metrics)) return;
    await sleep(50);
  }
  throw new Error('the buffer was not empty within two minutes');
}

/** Waits until nothing stored is left to derive. */
export async function untilDerived(stand: Stand): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (Date.now() < deadline) {
    const { rows } = await stand.pool.query<{ is_idle: boolean }>(
      'select not exists (select from store.batches) as is_idle',
    );
    if (rows[0]?.is_idle) return;
    await sleep(50);
  }
  throw new Error('not everything was derived within two minutes');
}

async function storedCount(stand: Stand): Promise<number> {
  const { rows } = await stand.pool.query<{ count: string }>('select count(*) from store.touchpoints');
  return Number(rows[0]?.count);
}
