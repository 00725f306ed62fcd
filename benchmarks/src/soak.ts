import { residentMegabytes } from './machine.ts';
import { prepareLoad, quantile, sendLoad, startOf } from './load.ts';
import { type Report, say } from './report.ts';
import { slopeOf } from './slope.ts';
import { type Collector, type Stand, startCollector } from './stand.ts';
import { goals, untilDerived, untilStored } from './throughput.ts';

/** Tables whose rows come and go or change all the time: what of them is dead must not pile up. */
const churning = [
  'batches',
  'collectors',
  'clocks',
  'feeds',
  'counters',
  'persons',
  'identities',
  'sessions',
  'day_metrics',
  'stage_standings',
  'stage_lengths',
  'stage_days',
];

/** Those that hold next to nothing at any time: their size is that of what is dead, or was. */
const queues = ['batches', 'collectors', 'clocks', 'feeds', 'counters'];

type Sample = {
  seconds: number;
  touchpoints: number;
  /** Of the collector. */
  megabytes: number;
  /** What was stored and is not derived yet: how old the oldest of it is. */
  lagSeconds: number;
  tables: Record<string, { live: number; dead: number; megabytes: number; vacuums: number }>;
};

const chunkSeconds = 10;
const megabyte = 1_048_576;

/**
 * The load at a steady rate for minutes on end, looking every ten seconds at the dead rows and the sizes of the tables
 * that change all the time. A queue that is kept clean is as large in the second half as in the first.
 */
export async function soak(
  stand: Stand,
  report: Report,
  { rate, minutes }: { rate: number; minutes: number },
): Promise<void> {
  const collector = await startCollector(stand, { roles: goals.derived.roles });
  try {
    say(`soak: ${rate} touchpoints/s for ${minutes} min`);
    const samples: Sample[] = [];
    const startedAt = performance.now();
    let touchpoints = 0;
    const elapsed = (): number => (performance.now() - startedAt) / 1_000;
    for (let seed = 51; elapsed() < minutes * 60; seed += 1) {
      const count = rate * chunkSeconds;
      const { requests } = prepareLoad(stand.sites, { seed, touchpoints: count, startMs: startOf(count) });
      await sendLoad(requests, { url: collector.url, connections: 32, rate });
      touchpoints += count;
      const sample: Sample = {
        seconds: elapsed(),
        touchpoints,
        megabytes: residentMegabytes(collector.pid) ?? 0,
        lagSeconds: await lagOf(collector),
        tables: await look(stand),
      };
      samples.push(sample);
      say(lineOf(sample));
    }
    await untilStored(collector);
    await untilDerived(stand);

    const sizeOf = ({ tables }: Sample): number =>
      queues.reduce((sum, table) => sum + (tables[table]?.megabytes ?? 0), 0);
    const half = Math.ceil(samples.length / 2);
    const largest = (part: Sample[]): number => Math.max(...part.map(sizeOf));
    report.add({
      name: 'queue_tables_largest',
      figure: largest(samples),
      unit: 'MB',
      bar: { below: 64 },
      details: {
        first_half_megabytes: largest(samples.slice(0, half)),
        second_half_megabytes: largest(samples.slice(half)),
        touchpoints,
        touchpoints_per_second: touchpoints / elapsed(),
        dead_share_p90: Object.fromEntries(
          churning.map((table) => [
            table,
            quantile(
              samples.map(({ tables }) => {
                const { live = 0, dead = 0 } = tables[table] ?? {};
                return dead / Math.max(1, live + dead);
              }),
              0.9,
            ),
          ]),
        ),
        samples,
      },
    });
    // Caches fill first: what counts is the second half.
    const slope = (valueOf: (sample: Sample) => number): number =>
      slopeOf(samples.slice(half).map((sample) => ({ at: sample.seconds / 60, value: valueOf(sample) })));
    report.add({
      name: 'soak_memory_slope',
      figure: slope(({ megabytes }) => megabytes),
      unit: 'MB/min',
      bar: { below: 1 },
      details: {
        minutes,
        touchpoints_per_second: touchpoints / elapsed(),
        rss_mb: {
          first: samples[0]?.megabytes,
          largest: Math.max(...samples.map(({ megabytes }) => megabytes)),
        },
      },
    });
    report.add({
      name: 'soak_lag_slope',
      figure: slope(({ lagSeconds }) => lagSeconds),
      unit: 's/min',
      bar: { below: 1 },
      details: { longest_lag_seconds: Math.max(...samples.map(({ lagSeconds }) => lagSeconds)) },
    });
  } finally {
    await collector.stop();
  }
}

/** How far derivation is behind, as the collector tells it. */
async function lagOf({ url }: Collector): Promise<number> {
  const metrics = await fetch(`${url}/metrics`).then((answer) => answer.text());
  return Number(/^milepost_derive_lag_seconds (\S+)$/m.exec(metrics)?.[1] ?? Number.NaN);
}

async function look(stand: Stand): Promise<Sample['tables']> {
  const { rows } = await stand.pool.query<{
    name: string;
    live: string;
    dead: string;
    bytes: string;
    vacuums: string;
  }>(
    `select relname as name, n_live_tup as live, n_dead_tup as dead, pg_total_relation_size(relid) as bytes,
       autovacuum_count + vacuum_count as vacuums
     from pg_stat_user_tables
     where schemaname = 'store' and relname = any ($1)`,
    [churning],
  );
  return Object.fromEntries(
    rows.map(({ name, live, dead, bytes, vacuums }) => [
      name,
      {
        live: Number(live),
        dead: Number(dead),
        megabytes: Math.round((Number(bytes) / megabyte) * 100) / 100,
        vacuums: Number(vacuums),
      },
    ]),
  );
}

function lineOf({ seconds, megabytes, lagSeconds, tables }: Sample): string {
  const told = Object.entries(tables).map(
    ([table, { dead, megabytes }]) => `${table} ${dead} dead ${megabytes} MB`,
  );
  return `${Math.round(seconds)} s: ${megabytes} MB, ${lagSeconds} s behind, ${told.sort().join(', ')}`;
}
