import { afterEach, expect, test, vi } from 'vitest';
import { afterView, listenToGlobal, listenToQueue } from './listen.ts';

const name = 'milepostListenTest';
const global = globalThis as unknown as Record<string, unknown>;
afterEach(() => {
  delete global[name];
});

type Queue = { push(...entries: unknown[]): unknown };
/** Replaces `push` as tag managers do; calls the one before or stores by itself. */
function replacePush(queue: unknown[] & Queue, { callsBefore }: { callsBefore: boolean }) {
  const before = queue.push.bind(queue);
  queue.push = (...entries) =>
    callsBefore ? before(...entries) : Array.prototype.push.apply(queue, entries);
}

test.each([
  { order: 'before us', before: true, after: false, callsBefore: true },
  { order: 'after us', before: false, after: true, callsBefore: true },
  { order: 'before and after us', before: true, after: true, callsBefore: true },
  { order: 'after us, forgetting us', before: false, after: true, callsBefore: false },
])('each push is heard once when push is replaced $order', ({ before, after, callsBefore }) => {
  const queue: unknown[] = ['early'];
  const heard: unknown[] = [];
  if (before) replacePush(queue, { callsBefore });
  listenToQueue(queue, (entry) => heard.push(entry));
  if (after) replacePush(queue, { callsBefore });
  if (after) replacePush(queue, { callsBefore });
  const entry = { event: 'twice' };
  expect(queue.push('late', entry)).toBe(3);
  expect(queue.push(entry)).toBe(4);
  expect(heard).toEqual(['early', 'late', entry, entry]);
  expect([...queue]).toEqual(['early', 'late', entry, entry]);
});

test('what a push pushes in turn is heard after it', () => {
  const queue: unknown[] = [];
  const heard: unknown[] = [];
  const before = queue.push.bind(queue);
  queue.push = (...entries) => {
    const length = before(...entries);
    if (entries[0] === 'outer') queue.push('inner');
    return length;
  };
  listenToQueue(queue, (entry) => heard.push(entry));
  queue.push('outer');
  expect(heard).toEqual(['outer', 'inner']);
});

test('a push that throws throws, and is heard', () => {
  const queue: unknown[] = [];
  const heard: unknown[] = [];
  queue.push = () => {
    throw new Error('theirs');
  };
  listenToQueue(queue, (entry) => heard.push(entry));
  expect(() => queue.push('a')).toThrow('theirs');
  expect(() => queue.push('a')).toThrow('theirs');
  expect(heard).toEqual(['a', 'a']);
});

test('a queue looks the same as before, but for its push', () => {
  const queue = [1, 2];
  listenToQueue(queue, () => {});
  expect(Object.keys(queue)).toEqual(['0', '1']);
});

test('a global is attached to when it comes, when it is replaced, and once', () => {
  const attach = vi.fn();
  listenToGlobal(name, attach);
  const first: unknown[] = [];
  const second: unknown[] = [];
  global[name] = global[name] || first;
  global[name] = global[name] || first;
  global[name] = second;
  expect(global[name]).toBe(second);
  expect(attach.mock.calls).toEqual([[first], [second]]);
});

test('a global that cannot be watched is attached to as it is', () => {
  const fixed: unknown[] = [];
  Object.defineProperty(globalThis, 'milepostFixed', { value: fixed, writable: true, configurable: false });
  const attach = vi.fn();
  listenToGlobal('milepostFixed', attach);
  expect(attach.mock.calls).toEqual([[fixed]]);
});

test('what was there before is told when the running script has ended, in order with what follows', async () => {
  const told: number[] = [];
  const take = afterView<number>((value) => told.push(value), vi.fn());
  take(1);
  take(2);
  expect(told).toEqual([]);
  await Promise.resolve();
  take(3);
  expect(told).toEqual([1, 2, 3]);
});

test('what goes wrong becomes a warning, and the next is told', async () => {
  const warn = vi.fn();
  const told: string[] = [];
  const take = afterView<string>((value) => {
    if (value === 'bad') throw new Error('ours');
    told.push(value);
  }, warn);
  take('bad');
  take('good');
  await Promise.resolve();
  take('bad');
  take('better');
  expect(told).toEqual(['good', 'better']);
  expect(warn.mock.calls).toEqual([['Error: ours'], ['Error: ours']]);
});
