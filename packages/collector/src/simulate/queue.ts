/** A queue that gives the smallest first (binary heap); equal ones come in the order they were put in. */
export class PriorityQueue<T> {
  readonly #entries: { at: number; turn: number; value: T }[] = [];
  #turn = 0;

  get size(): number {
    return this.#entries.length;
  }

  /** The `at` of the next value; infinity when empty. */
  get nextAt(): number {
    return this.#entries[0]?.at ?? Infinity;
  }

  push(at: number, value: T): void {
    const entries = this.#entries;
    const entry = { at, turn: (this.#turn += 1), value };
    let index = entries.length;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = entries[parentIndex];
      if (parent === undefined || isBefore(parent, entry)) break;
      entries[index] = parent;
      index = parentIndex;
    }
    entries[index] = entry;
  }

  pop(): T | undefined {
    const entries = this.#entries;
    const first = entries[0];
    const last = entries.pop();
    if (first === undefined || last === undefined || entries.length === 0) return first?.value;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = entries[childIndex];
      if (child === undefined) break;
      const right = entries[childIndex + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childIndex += 1;
      }
      if (isBefore(last, child)) break;
      entries[index] = child;
      index = childIndex;
    }
    entries[index] = last;
    return first.value;
  }
}

function isBefore(one: { at: number; turn: number }, other: { at: number; turn: number }): boolean {
  return one.at < other.at || (one.at === other.at && one.turn < other.turn);
}
