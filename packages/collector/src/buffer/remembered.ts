import type { BufferEntry, Position } from './buffer.ts';

// Some thousand touchpoints. Their JSON as objects takes about four times as much.
const mostBytes = 6 * 1024 * 1024;

/**
 * Entries that were appended with what they say already read, until they are asked for. Only a help: all of them are
 * on the disk as well, and while the reader is behind, nothing new is remembered.
 */
export class Remembered {
  readonly #entries = new Map<Position, BufferEntry>();
  #bytes = 0;

  add(entry: BufferEntry): void {
    if (entry.json === undefined || this.#bytes + entry.body.length > mostBytes) return;
    this.#entries.set(entry.position, entry);
    this.#bytes += entry.body.length;
  }

  get(position: Position): BufferEntry | undefined {
    return this.#entries.get(position);
  }

  forget(position: Position): void {
    const entry = this.#entries.get(position);
    if (entry === undefined) return;
    this.#entries.delete(position);
    this.#bytes -= entry.body.length;
  }

  /** Forgets everything up to and including `position`. */
  forgetUpTo(position: Position): void {
    for (const known of this.#entries.keys()) {
      if (known > position) return; // they are in order
      this.forget(known);
    }
  }
}
