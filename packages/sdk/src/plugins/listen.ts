import { attempt } from '../storage.ts';

type Push = (this: unknown, ...entries: unknown[]) => unknown;

/**
 * Hands over what is in a queue and all that is pushed later: each push once, in its order, before anybody else acts on
 * it. Tag managers replace `push` as well; it makes no difference who comes first, nor whether a replacement calls what
 * it replaced. `take` must not throw.
 */
export function listenToQueue(queue: unknown[], take: (entry: unknown) => void): void {
  // what is being pushed at this moment, for it passes through every replacement that calls the one before
  let underway: unknown[] = [];
  const listening = (push: Push): Push =>
    function (...entries) {
      const fresh = entries.filter((entry) => !underway.includes(entry));
      underway.push(...fresh);
      fresh.forEach(take);
      try {
        return push.apply(this, entries);
      } finally {
        underway = underway.filter((entry) => !fresh.includes(entry));
      }
    };
  let push = listening(queue.push);
  // not enumerable, like the push of every array
  Object.defineProperty(queue, 'push', {
    configurable: true,
    get: () => push,
    set(replacement: Push) {
      push = listening(replacement);
    },
  });
  queue.slice().forEach(take);
}

/**
 * Calls `attach` with the global variable of that name, now if it exists, and with whatever is put in its place later.
 * A variable declared by `var` before us cannot be watched; then what it holds now is all there is.
 */
export function listenToGlobal(name: string, attach: (value: object) => void): void {
  const global = globalThis as unknown as Record<string, object | undefined>;
  let value: object | undefined;
  const set = (next: object | undefined) => {
    if (next && next !== value) attach(next);
    value = next;
  };
  set(global[name]);
  attempt(() =>
    Object.defineProperty(global, name, { configurable: true, enumerable: true, get: () => value, set }),
  );
}

/**
 * Hands on, and never throws: whatever goes wrong is ours, not the page's, and becomes a warning. What was there before
 * us happened on this page, so it is told after the page's view.
 */
export function afterView<Value>(
  run: (value: Value) => void,
  warn: (text: string) => void,
): (value: Value) => void {
  let early: Value[] | undefined = [];
  const take = (value: Value) => {
    if (early) early.push(value);
    else
      try {
        run(value);
      } catch (error) {
        warn(String(error));
      }
  };
  queueMicrotask(() => {
    const values = early!;
    early = undefined;
    values.forEach(take);
  });
  return take;
}
