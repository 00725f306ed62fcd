import { createTracker } from './tracker.ts';
import type { TrackerOptions } from './types.ts';

/** A call made before the script arrived: method, arguments, time, and who waits for its result. */
type Call = [string, unknown[], number, (result: unknown) => void];
/** What the loader snippet leaves behind: its queue, its options, and when it ran. */
type Stub = {
  q?: { push(call: Call): unknown; forEach?(run: (call: Call) => void): void };
  o?: TrackerOptions;
  t?: number;
};

const global = globalThis as { milepost?: Stub & { isLoaded?: true } };
const stub = (global.milepost ??= {});
const script = document.currentScript as HTMLScriptElement | null;

if (!stub.isLoaded) {
  let time = stub.t;
  const tracker = createTracker({
    ...(script?.src && { host: new URL(script.src).origin }),
    ...(stub.o ?? (script?.dataset as unknown as TrackerOptions)),
    now: () => time ?? Date.now(),
  });
  const run = ([name, values, at, resolve]: Call) => {
    time = at;
    resolve(tracker[name as 'track']?.(...(values as [string])));
    time = undefined;
  };
  // references to the stub's own functions, taken before, keep working
  stub.q?.forEach?.(run);
  time = undefined;
  Object.assign(stub, tracker, { q: { push: run }, isLoaded: true });
}
