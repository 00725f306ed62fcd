/** Tries what a browser may refuse (storage, cookies). Gives undefined where it does: the SDK goes on without. */
export function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined; // blocked, full, private mode: the caller has its fall-back
  }
}

/** Small texts by key, kept in localStorage, or in memory where that is refused or not yet allowed. Never throws. */
export type Store = {
  get(key: string): string | undefined;
  set(key: string, value: string): void;
  remove(key: string): void;
  keys(): string[];
  /** From now on in localStorage, what was kept in memory included. */
  makeDurable(): void;
  /** Forgets everything whose key begins so, and keeps the rest in memory from now on. */
  wipe(prefix: string): void;
};

/** A store that begins in memory. `local` is asked for at each use, because even reading the property may throw. */
export function createStore(local: () => Storage): Store {
  const memory = new Map<string, string>();
  let isDurable = false;
  const durable = <T>(action: (storage: Storage) => T) =>
    isDurable ? attempt(() => action(local())) : undefined;

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
      durable((storage) => storage.removeItem(key));
    },
    keys: () => [...memory.keys(), ...(durable((storage) => Object.keys(storage)) ?? [])],
    makeDurable() {
      isDurable = true;
      for (const [key, value] of memory) store.set(key, value);
    },
    wipe(prefix) {
      isDurable = true;
      for (const key of store.keys()) if (key.startsWith(prefix)) store.remove(key);
      isDurable = false;
    },
  };
  return store;
}
