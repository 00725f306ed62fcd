import { type WriteStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';

import type { RejectReason } from '@milepost/shared';

/** A line that was not stored: where it stands, why, and what it said. */
export type Reject = { line: number; reason: RejectReason; detail: string; event: string };

/** The file of a run's rejects, one JSON object a line. It comes into being with the first of them. */
export class RejectsFile {
  readonly #path: string;
  readonly #flags: 'w' | 'a';
  #stream: WriteStream | null = null;
  count = 0;

  constructor(path: string, { isResumed }: { isResumed: boolean }) {
    this.#path = path;
    this.#flags = isResumed ? 'a' : 'w';
  }

  async add(rejects: readonly Reject[]): Promise<void> {
    if (rejects.length === 0) return;
    this.#stream ??= createWriteStream(this.#path, { flags: this.#flags });
    this.count += rejects.length;
    const text = rejects.map((reject) => `${JSON.stringify(reject)}\n`).join('');
    if (!this.#stream.write(text)) await once(this.#stream, 'drain');
  }

  async close(): Promise<void> {
    if (this.#stream === null) return;
    this.#stream.end();
    await once(this.#stream, 'finish');
  }
}
