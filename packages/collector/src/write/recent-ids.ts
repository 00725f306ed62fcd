import type { Line } from './lines.ts';

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
   * Parts lines into those that look new, which are remembered from now on, and those that are repeats, of each other
   * or of what is remembered.
   */
  partOf(lines: readonly Line[]): { fresh: Line[]; repeats: Line[] } {
    const fresh: Line[] = [];
    const repeats: Line[] = [];
    for (const line of lines) {
      const { touchpointId, siteId } = line;
      if (this.#young.get(touchpointId) === siteId || this.#old.get(touchpointId) === siteId) {
        repeats.push(line);
        continue;
      }
      this.#young.set(touchpointId, siteId);
      fresh.push(line);
    }
    if (this.#young.size >= this.#limit) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return { fresh, repeats };
  }

  /** Forgets lines that could not be stored after all. */
  forget(lines: readonly Line[]): void {
    for (const { touchpointId, siteId } of lines) {
      for (const ids of [this.#young, this.#old]) {
        if (ids.get(touchpointId) === siteId) ids.delete(touchpointId);
      }
    }
  }
}
