import { cpuMicroseconds, cpuMicrosecondsOfChildren, load, residentMegabytes } from './machine.ts';
import type { Collector, Stand } from './stand.ts';

/** What a run cost, by process. Times in microseconds of CPU a touchpoint, null where the system does not say. */
export type Usage = {
  cpu_us_per_touchpoint: Record<'collector' | 'postgres' | 'generator' | 'all', number | null>;
  /** What PostgreSQL's part is made of: its connections by the name they gave themselves, its own processes by kind. */
  postgres_cpu_us_per_touchpoint: Record<string, number>;
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
  const backends = new Backends(stand);
  const sample = () => {
    peak = Math.max(peak, residentMegabytes(collector.pid) ?? 0);
    backends.look();
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
      postgres_cpu_us_per_touchpoint: backends.shares(touchpoints),
      peak_rss_mb: { collector: peak || null, generator: Math.round(process.memoryUsage.rss() / 2 ** 20) },
      load_average: load(),
    };
  };
}

/** PostgreSQL's processes, looked at again and again: what each has used since the first look. */
class Backends {
  readonly #stand: Stand;
  readonly #names = new Map<number, string>();
  readonly #first: Map<number, number>;
  readonly #last = new Map<number, number>();

  constructor(stand: Stand) {
    this.#stand = stand;
    this.#first = cpuMicrosecondsOfChildren(stand.postgresPid);
  }

  look(): void {
    for (const [pid, microseconds] of cpuMicrosecondsOfChildren(this.#stand.postgresPid))
      this.#last.set(pid, microseconds);
    void this.#learnNames().catch(() => {}); // what has no name is told as `other`
  }

  /** Microseconds a touchpoint, by name. */
  shares(touchpoints: number): Record<string, number> {
    const shares: Record<string, number> = {};
    for (const [pid, microseconds] of this.#last) {
      const name = this.#names.get(pid) ?? 'other';
      const spent = (microseconds - (this.#first.get(pid) ?? 0)) / touchpoints;
      if (spent > 0) shares[name] = (shares[name] ?? 0) + spent;
    }
    return Object.fromEntries(Object.entries(shares).toSorted(([, one], [, another]) => another - one));
  }

  async #learnNames(): Promise<void> {
    const { rows } = await this.#stand.pool.query<{ pid: number; name: string }>(
      `select pid, coalesce(nullif(application_name, ''), backend_type) as name from pg_stat_activity`,
    );
    for (const { pid, name } of rows) this.#names.set(pid, name);
  }
}
