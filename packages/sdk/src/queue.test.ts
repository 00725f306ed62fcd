import fc from 'fast-check';
import { expect, test } from 'vitest';
import { uuid } from './ids.ts';
import { bytesOf, overflowOf, queueLimits, takeBatch, type Entry } from './queue.ts';

const now = 1_700_000_000_000;
const entriesOf = (texts: string[]): Entry[] => texts.map((text, n) => ({ id: uuid(now + n), text }));

test('a batch stays below its limits, in order, and leaves out only what does not fit', () => {
  const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 60 }), { maxLength: 30 });
  fc.assert(
    fc.property(texts, fc.nat(20), fc.integer({ min: 1, max: 600 }), (texts, maxEntries, maxBytes) => {
      const entries = entriesOf(texts);
      const batch = takeBatch(entries, { maxEntries, maxBytes });
      const bytes = batch.reduce((sum, { text }) => sum + bytesOf(text) + 1, 0);
      expect(bytes).toBeLessThan(maxBytes);
      expect(batch.length).toBeLessThanOrEqual(maxEntries);
      expect(entries.filter((entry) => batch.includes(entry))).toEqual(batch);
      for (const { text } of entries.slice(0, maxEntries).filter((entry) => !batch.includes(entry))) {
        expect(bytes + bytesOf(text) + 1).toBeGreaterThanOrEqual(maxBytes);
      }
    }),
  );
});

test('a queue over its limit loses its oldest', () => {
  const entries = entriesOf(Array.from({ length: queueLimits.entries + 2 }, () => '{}'));
  expect(overflowOf(entries, now)).toEqual(
    entries
      .slice(0, 2)
      .map(({ id }) => ({ id, reason: 'queue_full' }))
      .toReversed(),
  );
});

test('a queue with too many characters loses its oldest', () => {
  const entries = entriesOf(Array.from({ length: 5 }, () => 'x'.repeat(queueLimits.characters / 4)));
  expect(overflowOf(entries, now).map(({ id }) => id)).toEqual(entries.slice(0, 1).map(({ id }) => id));
});

test('what has waited for 30 days expires, and so does what has no readable time', () => {
  const old = { id: uuid(now - queueLimits.ageMs), text: '{}' };
  const young = { id: uuid(now - queueLimits.ageMs + 1), text: '{}' };
  const strange = { id: 'strange', text: '{}' };
  expect(overflowOf([old, young, strange], now)).toEqual([
    { id: 'strange', reason: 'expired' },
    { id: old.id, reason: 'expired' },
  ]);
});
