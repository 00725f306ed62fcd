import { hash } from 'node:crypto';

/**
 * Gives lines without an id of their own one that depends on what they say, so that the same line of the same file,
 * or of a longer export next month, is the same touchpoint. Identical lines within a file are different
 * touchpoints: they are numbered. Two passes keep that exact in bounded memory: the first finds lines that may
 * occur more than once (a Bloom filter), the second counts those alone.
 */
export class LineIds {
  readonly #seen: Uint32Array;
  readonly #mask: number;
  readonly #repeated = new Map<string, number>();
  readonly #nameHashes = new Map<string, string>();

  /** `expectedLines` sizes the filter: 16 bits a line, at most 256 MiB. More lines cost memory, never exactness. */
  constructor(expectedLines: number) {
    const bits = 2 ** Math.ceil(Math.log2(Math.min(Math.max(expectedLines * 16, 2 ** 20), 2 ** 31)));
    this.#seen = new Uint32Array(bits / 32);
    this.#mask = bits - 1;
  }

  /** First pass, once for each line. */
  note(line: string): void {
    const digest = hash('sha256', line, 'buffer');
    let isNew = false;
    for (let at = 0; at < 16; at += 4) {
      const bit = (digest.readUInt32LE(at) & this.#mask) >>> 0;
      const word = bit >>> 5;
      const flag = 1 << (bit & 31);
      const before = this.#seen[word] ?? 0;
      if ((before & flag) === 0) {
        isNew = true;
        this.#seen[word] = before | flag;
      }
    }
    if (!isNew) this.#repeated.set(keyOf(digest.toString('hex')), 0);
  }

  /** Second pass, once for each line that brings no id, in the same order. `name` keeps two readings of one file apart. */
  idOf(line: string, name: string): string {
    const key = keyOf(hash('sha256', line, 'hex'));
    const occurrence = this.#repeated.get(key);
    if (occurrence !== undefined) this.#repeated.set(key, occurrence + 1);
    return `line-${key}-${this.#nameHash(name)}-${occurrence ?? 0}`;
  }

  #nameHash(name: string): string {
    let text = this.#nameHashes.get(name);
    if (text === undefined) {
      text = hash('sha256', name, 'hex').slice(0, 8);
      if (this.#nameHashes.size < 1_000) this.#nameHashes.set(name, text);
    }
    return text;
  }
}

// In groups of eight, so that no thirteen digits in a row are taken for a time in milliseconds.
function keyOf(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 16)}-${hex.slice(16, 24)}-${hex.slice(24, 32)}`;
}
