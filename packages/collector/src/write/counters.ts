/** Counts by site, UTC day and name, gathered before they are added to `store.counters`. */
export class Counts {
  readonly #values = new Map<string, number>();

  add(siteId: number, day: string, name: string, value: number): void {
    if (value === 0) return;
    const key = `${String(siteId).padStart(10, '0')} ${day} ${name}`;
    this.#values.set(key, (this.#values.get(key) ?? 0) + value);
  }

  /** What adds the counts: one statement, or none where nothing was counted. Names are our own, and need no quoting. */
  statements(): string[] {
    if (this.#values.size === 0) return [];
    // One order for every writer, so that two never wait for each other's rows.
    const entries = [...this.#values].sort(([one], [other]) => (one < other ? -1 : 1));
    const values = entries.map(([key, value]) => {
      const [siteId, day, name] = key.split(' ');
      return `(${Number(siteId)}, '${day}', '${name}', ${value})`;
    });
    return [
      `insert into store.counters as counters (site_id, day, name, value) values ${values.join(', ')}
       on conflict (site_id, day, name) do update set value = counters.value + excluded.value`,
    ];
  }
}

/** The UTC day of an instant, as `YYYY-MM-DD`. */
export function utcDayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
