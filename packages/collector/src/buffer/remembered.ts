import type { Ready } from '../write/prepare.ts';
import type { Envelope, Position } from './buffer.ts';

/** An entry but for its body, which is on the disk alone. */
export type RememberedEntry = { position: Position; envelope: Envelope; ready: Ready; size: number };

// Of bodies, some thousand touchpoints; what is ready to be stored takes about as much again.
const mostBytes = 6 * 1024 * 1024;

/**
 * Entries that were made ready for the writer when they were appended, until it asks for them. Only a help: all of
 * them are on the disk as well, and while the writer is behind, nothing new is made ready.
 */
export class Remembered {
  readonly #entries = new Map<Position, RememberedEntry>();
  #bytes = 0;

  /** Remembers an entry that is durable and has room. */
  add(entry: RememberedEntry): void {
    this.#entries.set(entry.position, entry);
  }

  /** Whether there is room for an entry of this size, which is kept for it. */
  reserve(size: number): boolean {
    if (this.#bytes + size > mostBytes) return false;
    this.#bytes += size;
    return true;
  }

  get(position: Position): RememberedEntry | undefined {
    return this.#entries.get(position);
  }

  forget(position: Position): void {
    const entry = this.#entries.get(position);
    if (entry === undefined) return;
    this.#entries.delete(position);
    this.#bytes -= entry.size;
  }

  /** Forgets everything up to and including `position`. */
  forgetUpTo(position: Position): void {
    for (const known of this.#entries.keys()) {
      if (known > position) return; // they are in order
      this.forget(known);
    }
  }
}
