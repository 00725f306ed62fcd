import { expect, test } from 'vitest';
import { createStore } from './storage.ts';

const always = () => true;

/** A localStorage as far as the store uses it, that takes at most so many keys. */
function storageOf(room: number): Storage {
  const methods = {
    getItem: (key: string) => Object.getOwnPropertyDescriptor(storage, key)?.value ?? null,
    setItem(key: string, value: string) {
      if (Object.keys(storage).length >= room) throw new DOMException('full', 'QuotaExceededError');
      Object.assign(storage, { [key]: value });
    },
    removeItem: (key: string) => Reflect.deleteProperty(storage, key),
  };
  const storage = Object.create(methods);
  return storage;
}

test('a store is in memory until it may be kept, then moves, and goes back when it may not', () => {
  const storage = storageOf(10);
  let mayKeep = false;
  const store = createStore(
    () => storage,
    () => mayKeep,
  );
  store.set('a', '1');
  expect(Object.keys(storage)).toEqual([]);
  mayKeep = true;
  store.settle();
  store.set('b', '2');
  expect(Object.fromEntries(Object.entries(storage))).toEqual({ a: '1', b: '2' });
  store.remove('a');
  expect(store.keys()).toEqual(['b']);
  mayKeep = false;
  store.set('c', '3');
  expect(store.get('b')).toBeUndefined();
  expect(Object.keys(storage)).toEqual(['b']);
});

test('what does not fit stays in memory', () => {
  const store = createStore(() => storageOf(0), always);
  store.set('a', '1');
  expect(store.get('a')).toBe('1');
  expect(store.keys()).toEqual(['a']);
});

test('a storage that throws at every touch is as good as none', () => {
  const store = createStore(() => {
    throw new DOMException('denied', 'SecurityError');
  }, always);
  store.set('a', '1');
  expect(store.keys()).toEqual(['a']);
  store.remove('a');
  expect(store.get('a')).toBeUndefined();
});

test('wiping takes only its own keys, also where nothing may be kept any more', () => {
  const storage = storageOf(10);
  storage.setItem('theirs', 'x');
  storage.setItem('milepost.id', '1');
  const store = createStore(
    () => storage,
    () => false,
  );
  store.set('milepost.user', 'ada');
  store.wipe('milepost.');
  expect(Object.fromEntries(Object.entries(storage))).toEqual({ theirs: 'x' });
  expect(store.get('milepost.user')).toBeUndefined();
});
