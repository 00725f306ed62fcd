/** What is open, to be closed in the opposite order: the last opened needs the ones before it. */
export class Closing {
  readonly #open: (() => Promise<unknown>)[] = [];

  add(close: () => Promise<unknown>): void {
    this.#open.push(close);
  }

  /** Closes everything, also past one that fails; then throws what failed first. Closed twice, it does nothing. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let close = this.#open.pop(); close; close = this.#open.pop()) {
      await close().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }
}
