import type { ClientBase } from 'pg';

/** Counts by site, UTC day and name, gathered before they are added to `store.counters` in one statement. */
export class Counts {
  readonly #values = new Map<string, number>();

  add(siteId: number, day: string, name: string, value: number): void {
    if (value === 0) return;
    const key = `${String(siteId).padStart(10, '0')} ${day} ${name}`;
    this.#values.set(key, (this.#values.get(key) ?? 0) + value);
  }

  /** Adds what was counted, within the caller's transaction. */
  async store(client: ClientBase): Promise<void> {
    if (this.#values.size === 0) return;
    // One order for every writer, so that two never wait for each other's rows.
    const entries = [...this.#values].sort(([one], [other]) => (one < other ? -1 : 1));
    const keys = entries.map(([key]) => key.split(' '));
    await client.query({
      name: 'milepost-store-counters',
      text: `insert into store.counters as counters (site_id, day, name, value)
        select site_id, day, name, value
        from unnest($1::integer[], $2::date[], $3::text[], $4::bigint[]) as counted (site_id, day, name, value)
        on conflict (site_id, day, name) do update set value = counters.value + excluded.value`,
      values: [
        keys.map(([siteId]) => Number(siteId)),
        keys.map(([, day]) => day),
        keys.map(([, , name]) => name),
        entries.map(([, value]) => value),
      ],
    });
  }
}

/** The UTC day of an instant, as `YYYY-MM-DD`. */
export function utcDayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
