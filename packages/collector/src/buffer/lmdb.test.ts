import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BufferFull, BufferUnavailable, type Envelope, type TouchpointBuffer } from './buffer.ts';
import { openLmdbBuffer } from './lmdb.ts';

const everything = { maxEntries: 100_000, maxBytes: 1e9 };
const mebibyte = 1024 * 1024;

let folder: string;
let buffer: TouchpointBuffer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'milepost-buffer-'));
  buffer = await openLmdbBuffer({ folder, maxBytes: 64 * mebibyte });
});
afterEach(async () => {
  await buffer.close();
  rmSync(folder, { recursive: true, force: true });
});

const envelope = (fields: Partial<Envelope> = {}): Envelope => ({
  siteId: 1,
  receivedAt: 1_700_000_000_000,
  isTrusted: false,
  ingestedBy: 'events',
  ...fields,
});
const texts = (from: TouchpointBuffer) =>
  from.read(null, everything).map(({ body }) => Buffer.from(body).toString());

test('entries come back as they went in, oldest first', async () => {
  const full = envelope({
    siteId: 7,
    userAgent: 'Müller/1.0',
    rejected: { 2: { reason: 'invalid', detail: '/name' } },
  });
  await buffer.append(full, Buffer.from('{"batch":["ä"]}'));
  await buffer.append(envelope(), Buffer.from(''));
  const [first, second] = buffer.read(null, everything);
  expect(first).toMatchObject({ envelope: full });
  expect(Buffer.from(first!.body).toString()).toBe('{"batch":["ä"]}');
  expect(second!.body).toHaveLength(0);
  expect(second!.position).toBeGreaterThan(first!.position);
});

test('a read goes on after a position and keeps to its limits, but gives at least one entry', async () => {
  for (let index = 0; index < 10; index += 1) await buffer.append(envelope(), Buffer.alloc(1_000, index));
  const all = buffer.read(null, everything);
  expect(buffer.read(all[3]!.position, everything).map(({ position }) => position)).toEqual(
    all.slice(4).map(({ position }) => position),
  );
  expect(buffer.read(null, { maxEntries: 3, maxBytes: 1e9 })).toHaveLength(3);
  expect(buffer.read(null, { maxEntries: 100, maxBytes: 2_500 })).toHaveLength(2);
  expect(buffer.read(null, { maxEntries: 100, maxBytes: 1 })).toHaveLength(1);
});

test('what is ready to be stored comes along while it is remembered, and the order is that of the appends', async () => {
  await buffer.close();
  const ready = { lines: [], rejects: [], losses: [] };
  buffer = await openLmdbBuffer({ folder, maxBytes: 64 * mebibyte, makeReady: () => ready });
  await buffer.append(envelope(), Buffer.from('0'), 0);
  await buffer.confirm(buffer.read(null, everything)[0]!.position);
  await buffer.close();
  buffer = await openLmdbBuffer({ folder, maxBytes: 64 * mebibyte, makeReady: () => ready });
  await buffer.append(envelope(), Buffer.from('1'), 1);
  await buffer.append(envelope(), Buffer.from('2'), 2);
  await buffer.append(envelope(), Buffer.from('3'), 3);
  await buffer.append(envelope(), Buffer.from('4'));
  const [first] = buffer.read(null, { maxEntries: 1, maxBytes: 1e9 });
  const rest = buffer.read(first!.position, everything);
  expect(rest.map((entry) => [Buffer.from(entry.body).toString(), entry.ready])).toEqual([
    ['2', ready],
    ['3', ready],
    ['4', undefined],
  ]);
  expect(texts(buffer)).toEqual(['1', '2', '3', '4']);
});

test('what is confirmed is forgotten, and positions go on growing after a restart', async () => {
  for (const text of ['a', 'b', 'c']) await buffer.append(envelope(), Buffer.from(text));
  const [, second, third] = buffer.read(null, everything);
  await buffer.confirm(second!.position);
  expect(texts(buffer)).toEqual(['c']);
  await buffer.confirm(third!.position);
  expect(buffer.depth()).toEqual({ entries: 0, bytes: 0, oldestReceivedAt: null });

  await buffer.close();
  buffer = await openLmdbBuffer({ folder, maxBytes: 64 * mebibyte });
  await buffer.append(envelope(), Buffer.from('d'));
  expect(buffer.read(null, everything)[0]!.position).toBeGreaterThan(third!.position);
});

test('the depth says what waits, also after a restart', async () => {
  await buffer.append(envelope({ receivedAt: 5_000 }), Buffer.alloc(10_000));
  await buffer.append(envelope({ receivedAt: 6_000 }), Buffer.alloc(10));
  const depth = { entries: 2, bytes: 4 * 4096, oldestReceivedAt: 5_000 };
  expect(buffer.depth()).toEqual(depth);
  await buffer.close();
  buffer = await openLmdbBuffer({ folder, maxBytes: 64 * mebibyte });
  expect(buffer.depth()).toEqual(depth);
});

test('past the cap appends are refused, until something is confirmed', async () => {
  await buffer.close();
  buffer = await openLmdbBuffer({ folder, maxBytes: mebibyte });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 100 }, () => buffer.append(envelope(), Buffer.alloc(20_000))),
  );
  const taken = outcomes.filter(({ status }) => status === 'fulfilled').length;
  expect(taken).toBe(51); // of 20 KiB each in 1 MiB
  expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
    reason: expect.any(BufferFull),
  });
  expect(texts(buffer)).toHaveLength(taken);
  await buffer.confirm(buffer.read(null, everything)[0]!.position);
  await buffer.append(envelope(), Buffer.alloc(20_000));
});

test('a disk that is nearly full refuses in good order', async () => {
  await buffer.close();
  buffer = await openLmdbBuffer({ folder, maxBytes: mebibyte, leastFreeBytes: Number.MAX_SAFE_INTEGER });
  await expect(buffer.append(envelope(), Buffer.from('a'))).rejects.toThrow(BufferFull);
  await expect(buffer.check()).rejects.toThrow(BufferFull);
});

test('appends of one moment share one commit', async () => {
  await buffer.close();
  const commits: number[] = [];
  buffer = await openLmdbBuffer({
    folder,
    maxBytes: 64 * mebibyte,
    onCommit: ({ entries }) => commits.push(entries),
  });
  await Promise.all(
    Array.from({ length: 100 }, (_, index) => buffer.append(envelope(), Buffer.from(String(index)))),
  );
  expect(commits).toEqual([100]);
  expect(texts(buffer)).toEqual(Array.from({ length: 100 }, (_, index) => String(index)));
});

test('listeners hear of appends once these are readable', async () => {
  const seen: number[] = [];
  const stop = buffer.onAppend(() => seen.push(texts(buffer).length));
  await Promise.all(['a', 'b'].map((text) => buffer.append(envelope(), Buffer.from(text))));
  stop();
  await buffer.append(envelope(), Buffer.from('c'));
  expect(seen).toEqual([2]);
});

test('a closed buffer has stored what it was given before, and refuses more', async () => {
  const appended = buffer.append(envelope(), Buffer.from('last'));
  await buffer.close();
  await appended;
  await expect(buffer.append(envelope(), Buffer.from('late'))).rejects.toThrow(BufferUnavailable);
  buffer = await openLmdbBuffer({ folder, maxBytes: 64 * mebibyte });
  expect(texts(buffer)).toEqual(['last']);
});

test.each([{ depth: 0 }, { depth: 12 }])(
  'a second owner of a folder $depth levels down is refused with a sentence',
  async ({ depth }) => {
    const deep = join(folder, ...Array.from({ length: depth }, () => 'a-long-folder-name'));
    await buffer.close();
    buffer = await openLmdbBuffer({ folder: deep, maxBytes: mebibyte });
    await expect(openLmdbBuffer({ folder: deep, maxBytes: mebibyte })).rejects.toThrow(
      /belongs to another running collector/,
    );
  },
);
