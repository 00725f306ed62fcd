import type { TouchpointRow } from './row.ts';

/**
 * The ids this process stored lately or is about to. Most resends come within minutes, so with these set aside a
 * batch is nearly always all new. Only a help: PostgreSQL's key decides.
 */
export class RecentIds {
  // Two generations make a cheap bounded memory: between one and two times the limit.
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  readonly #limit: number;

  constructor(limit = 100_000) {
    this.#limit = limit;
  }

  /**
   * Parts rows into those that look new, which are remembered from now on, and those that are repeats, of each other
   * or of what is remembered.
   */
  partOf(rows: readonly TouchpointRow[]): { fresh: TouchpointRow[]; repeats: TouchpointRow[] } {
    const fresh: TouchpointRow[] = [];
    const repeats: TouchpointRow[] = [];
    for (const row of rows) {
      const { touchpointId, siteId } = row;
      if (this.#young.get(touchpointId) === siteId || this.#old.get(touchpointId) === siteId) {
        repeats.push(row);
        continue;
      }
      this.#young.set(touchpointId, siteId);
      fresh.push(row);
    }
    if (this.#young.size >= this.#limit) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return { fresh, repeats };
  }

  /** Forgets rows that could not be stored after all. */
  forget(rows: readonly TouchpointRow[]): void {
    for (const { touchpointId, siteId } of rows) {
      for (const ids of [this.#young, this.#old]) {
        if (ids.get(touchpointId) === siteId) ids.delete(touchpointId);
      }
    }
  }
}
