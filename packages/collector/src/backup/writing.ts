import { createHash, type Hash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack, type Pack } from 'tar-stream';
import { syncFolder } from '../buffer/disk.ts';
import { Refusal } from '../refusal.ts';
import { lastName, sumsName } from './format.ts';

/** A backup file that is being written: beside its place, and moved there when it is whole and on the disk. */
export class ArchiveWriter {
  readonly #file: string;
  readonly #pack: Pack = pack();
  readonly #written: Promise<void>;
  readonly #sums: string[] = [];

  private constructor(file: string) {
    this.#file = file;
    // It holds secrets: nobody else may read it, from the first byte on.
    const disk = createWriteStream(unfinished(file), { mode: 0o600, flags: 'wx', flush: true });
    this.#written = pipeline(this.#pack, disk);
    this.#written.catch(() => {}); // told by whoever writes the next entry
  }

  /** Begins a file; a `Refusal` where there is one of that name. */
  static async create(file: string): Promise<ArchiveWriter> {
    if (await exists(file)) throw new Refusal(`there is a file ${file} already; say another name.`);
    await rm(unfinished(file), { force: true });
    return new ArchiveWriter(file);
  }

  /** Adds an entry; resolves once there is room for the next. */
  async add(name: string, content: Buffer): Promise<void> {
    this.#sums.push(`${sha256(content).digest('hex')}  ${name}\n`);
    await this.#put(name, content);
  }

  async #put(name: string, content: Buffer): Promise<void> {
    if (this.#pack.destroyed) await this.#written; // it says why
    const taken = new Promise<void>((resolve, reject) => {
      this.#pack.entry({ name, mode: 0o600 }, content, (error) => (error ? reject(error) : resolve()));
    });
    await Promise.race([taken, this.#written]);
  }

  /** Ends the file and gives it its name. Answers its size. */
  async finish(): Promise<number> {
    const sums = Buffer.from(this.#sums.join(''));
    await this.#put(sumsName, sums);
    await this.#put(lastName, Buffer.from(`${sha256(sums).digest('hex')}  ${sumsName}\n`));
    this.#pack.finalize();
    await this.#written;
    await rename(unfinished(this.#file), this.#file);
    syncFolder(dirname(this.#file));
    return (await stat(this.#file)).size;
  }

  /** Gives up: nothing is left behind. */
  async abort(): Promise<void> {
    this.#pack.destroy();
    await this.#written.catch(() => {}); // it was destroyed
    await rm(unfinished(this.#file), { force: true });
  }
}

function sha256(content: Buffer): Hash {
  return createHash('sha256').update(content);
}

function unfinished(file: string): string {
  return `${file}.unfinished`;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
