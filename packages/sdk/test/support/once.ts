import { closeSync, openSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Runs `task` in one process of this machine at a time; test files run in several. */
export async function oneAtATime<T>(name: string, task: () => Promise<T>): Promise<T> {
  const path = join(tmpdir(), `milepost-${name}.lock`);
  for (;;) {
    try {
      closeSync(openSync(path, 'wx'));
      break;
    } catch {
      // taken; a lock of a minute ago was left behind by a process that was killed
      const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > 60_000) rmSync(path, { force: true });
      await delay(100);
    }
  }
  try {
    return await task();
  } finally {
    rmSync(path, { force: true });
  }
}
