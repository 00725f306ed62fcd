/** Tries what a browser may refuse (storage, cookies). Gives undefined where it does: the SDK goes on without. */
export function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined; // blocked, full, private mode: the caller has its fall-back
  }
}

/** Small texts by key, kept in the browser, or in memory where that is refused or not allowed now. Never throws. */
export type Store = {
  get: (key: string) => string | undefined;
  set: (key: string, value: string) => void;
  remove: (key: string) => void;
  keys: () => string[];
  /** Moves what waited in memory into the browser, when it may be kept from now on. */
  settle: () => void;
  /** Forgets everything, in the browser what begins so. */
  wipe: (prefix: string) => void;
};

/**
 * A store in `local`, for as long as `mayKeep` says yes, else in memory. `local` is asked for at each use, because
 * even reading the property may throw.
 */
export function createStore(local: () => Storage, mayKeep: () => boolean): Store {
  const memory = new Map<string, string>();
  const durable = <T>(action: (storage: Storage) => T) =>
    mayKeep() ? attempt(() => action(local())) : undefined;

  const store: Store = {
    get: (key) => memory.get(key) ?? durable((storage) => storage.getItem(key)) ?? undefined,
    set(key, value) {
      // what setItem refuses (storage full) stays in memory
      memory.set(key, value);
      durable((storage) => {
        storage.setItem(key, value);
        memory.delete(key);
      });
    },
    remove(key) {
      memory.delete(key);
      attempt(() => local().removeItem(key));
    },
    keys: () => [...memory.keys(), ...(durable(Object.keys) ?? [])],
    settle: () => memory.forEach((value, key) => store.set(key, value)),
    wipe(prefix) {
      memory.clear();
      attempt(() => Object.keys(local()).forEach((key) => key.startsWith(prefix) && store.remove(key)));
    },
  };
  return store;
}
