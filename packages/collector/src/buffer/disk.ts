import { closeSync, fsyncSync, openSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

// What was seen holds this long: a look costs some microseconds, and a disk does not fill in one second.
const lifetimeMs = 1_000;

/** Answers whether less than `leastFreeBytes` of the disk that holds `folder` are free. */
export function lowDiskOf(folder: string, leastFreeBytes: number): () => boolean {
  let isLow = false;
  let seenAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - seenAt > lifetimeMs) {
      const { bavail, bsize } = statfsSync(folder);
      isLow = bavail * bsize < leastFreeBytes;
      seenAt = performance.now();
    }
    return isLow;
  };
}

/** Makes new names last: a synced file is lost all the same if its folder never heard of it. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return; // cannot open a folder, and needs not
  for (const path of [folder, dirname(resolve(folder))]) {
    const handle = openSync(path, 'r');
    fsyncSync(handle);
    closeSync(handle);
  }
}
