import type { TouchpointRow } from './row.ts';

/**
 * The ids this process stored lately. Most resends come within minutes, so with these set aside a batch is nearly
 * always all new. Only a help: PostgreSQL's key decides.
 */
export class RecentIds {
  // Two generations make a cheap bounded memory: between one and two times the limit.
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  readonly #limit: number;

  constructor(limit = 100_000) {
    this.#limit = limit;
  }

  /** Parts rows into those that look new and those that are repeats, of each other or of what is remembered. */
  partOf(rows: readonly TouchpointRow[]): { fresh: TouchpointRow[]; repeats: TouchpointRow[] } {
    const fresh: TouchpointRow[] = [];
    const repeats: TouchpointRow[] = [];
    const seen = new Map<string, number>();
    for (const row of rows) {
      const { touchpointId, siteId } = row;
      const isRepeat =
        seen.get(touchpointId) === siteId ||
        this.#young.get(touchpointId) === siteId ||
        this.#old.get(touchpointId) === siteId;
      (isRepeat ? repeats : fresh).push(row);
      seen.set(touchpointId, siteId);
    }
    return { fresh, repeats };
  }

  /** Remembers rows that are committed. */
  add(rows: readonly TouchpointRow[]): void {
    for (const { touchpointId, siteId } of rows) this.#young.set(touchpointId, siteId);
    if (this.#young.size < this.#limit) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
