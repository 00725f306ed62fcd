import { cpuMicroseconds, load, residentMegabytes } from './machine.ts';
import type { Collector, Stand } from './stand.ts';

/** What a run cost, by process. Times in microseconds of CPU a touchpoint, null where the system does not say. */
export type Usage = {
  cpu_us_per_touchpoint: Record<'collector' | 'postgres' | 'generator' | 'all', number | null>;
  peak_rss_mb: Record<'collector' | 'generator', number | null>;
  load_average: number;
};

/** Begins to measure; the returned function ends it. */
export function startUsage(stand: Stand, collector: Collector): (touchpoints: number) => Usage {
  const cpu = () => ({
    collector: cpuMicroseconds(collector.pid, { children: false }),
    postgres: cpuMicroseconds(stand.postgresPid, { children: true }),
    generator: process.cpuUsage().user + process.cpuUsage().system,
  });
  const before = cpu();
  let peak = 0;
  const sample = () => {
    peak = Math.max(peak, residentMegabytes(collector.pid) ?? 0);
  };
  sample();
  const timer = setInterval(sample, 500);
  return (touchpoints) => {
    clearInterval(timer);
    sample();
    const after = cpu();
    const spent = (from: number | null, to: number | null) =>
      from === null || to === null ? null : (to - from) / touchpoints;
    const collectorUs = spent(before.collector, after.collector);
    const postgresUs = spent(before.postgres, after.postgres);
    const generatorUs = (after.generator - before.generator) / touchpoints;
    const all = collectorUs === null || postgresUs === null ? null : collectorUs + postgresUs + generatorUs;
    return {
      cpu_us_per_touchpoint: { collector: collectorUs, postgres: postgresUs, generator: generatorUs, all },
      peak_rss_mb: { collector: peak || null, generator: Math.round(process.memoryUsage.rss() / 2 ** 20) },
      load_average: load(),
    };
  };
}
