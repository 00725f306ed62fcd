import type { Store } from './storage.ts';

/** Resolves after so many milliseconds. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// longer than the longest request
const leaseMs = 40_000;

/**
 * Runs `task` in one tab at a time. With Web Locks it waits for its turn, though not for ever: a tab that the
 * browser has frozen may hold the lock, and sending twice harms less than never sending. Without Web Locks
 * (no HTTPS, old Safari) tabs take a lease in the store, and whoever finds it taken leaves the task undone.
 */
export async function exclusively(name: string, store: Store, task: () => Promise<void>): Promise<void> {
  if (globalThis.navigator?.locks) {
    let isRun = false;
    try {
      const signal = AbortSignal.timeout?.(leaseMs);
      await navigator.locks.request(name, { signal } as LockOptions, () => {
        isRun = true;
        return task();
      });
    } catch {
      // refused (sandboxed page) or waited for too long
      if (!isRun) await task();
    }
    return;
  }
  if (+store.get(name)! > Date.now()) return;
  const lease = String(Date.now() + leaseMs + Math.random());
  store.set(name, lease);
  await delay(50); // another tab may have written at the same time; the last one wins
  if (store.get(name) !== lease) return;
  await task();
  store.remove(name);
}
