import { expect, test } from 'vitest';
import { createStore } from './storage.ts';

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

test('a store keeps in memory until it may be durable, and then moves', () => {
  const storage = storageOf(10);
  const store = createStore(() => storage);
  store.set('a', '1');
  expect(Object.keys(storage)).toEqual([]);
  store.makeDurable();
  store.set('b', '2');
  expect(Object.fromEntries(Object.entries(storage))).toEqual({ a: '1', b: '2' });
  store.remove('a');
  expect(store.keys()).toEqual(['b']);
});

test('what does not fit stays in memory', () => {
  const store = createStore(() => storageOf(0));
  store.makeDurable();
  store.set('a', '1');
  expect(store.get('a')).toBe('1');
  expect(store.keys()).toEqual(['a']);
});

test('a storage that throws at every touch is as good as none', () => {
  const store = createStore(() => {
    throw new DOMException('denied', 'SecurityError');
  });
  store.makeDurable();
  store.set('a', '1');
  expect(store.keys()).toEqual(['a']);
  store.remove('a');
  expect(store.get('a')).toBeUndefined();
});

test('wiping takes only its own keys, and is not durable afterwards', () => {
  const storage = storageOf(10);
  storage.setItem('theirs', 'x');
  const store = createStore(() => storage);
  store.makeDurable();
  store.set('milepost.id', '1');
  store.wipe('milepost.');
  store.set('milepost.id', '2');
  expect(Object.fromEntries(Object.entries(storage))).toEqual({ theirs: 'x' });
});
