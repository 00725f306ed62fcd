import { createTracker } from './tracker.ts';
import type { Tracker, TrackerOptions } from './types.ts';

/** A call made before the script arrived: method, arguments, time, and who waits for its result. */
type Call = [string, unknown[], number, (result: unknown) => void];
/** What the loader snippet leaves behind: its queue, its options, and when it ran. */
type Stub = {
  q?: Pick<Call[], 'push' | 'forEach'>;
  o?: TrackerOptions;
  t?: number;
};

/** Starts the page's tracker as `milepost`, and makes up for the calls that the loader has kept. */
export function start(more?: Partial<TrackerOptions>): void {
  const global = globalThis as { milepost?: Stub & Partial<Tracker> };
  const stub = global.milepost ?? {};
  const script = document.currentScript as HTMLScriptElement | null;

  // a tracker has no queue: then the script is here for the second time
  if (!stub.q && stub.track) return;
  let time = stub.t;
  const tracker = createTracker({
    ...(script?.src && { host: new URL(script.src).origin }),
    ...(stub.o ?? (script?.dataset as unknown as TrackerOptions)),
    ...more,
    now: () => time ?? Date.now(),
  });
  global.milepost = tracker;
  const run = ([name, values, at, resolve]: Call) => {
    time = at;
    resolve(tracker[name as 'track']?.(...(values as [string])));
    time = undefined;
  };
  stub.q?.forEach(run);
  time = undefined;
  // references to the stub's own functions, taken before, keep working
  stub.q = { push: run } as never;
}
