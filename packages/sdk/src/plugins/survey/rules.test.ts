import { expect, test } from 'vitest';
import { afterwards, isInSample, mayAsk, memoryOf, type Memory } from './rules.ts';

const day = 86_400_000;
const occasion = { visitor: 'ada', wave: '2027-Q1', now: 100 * day, restDays: 30 };
const fresh: Memory = { visitor: 'ada', shown: 0 };

test.each([
  { who: 'who was never asked', memory: fresh, may: true },
  { who: 'who has answered in this wave', memory: afterwards(fresh, 'answered', occasion), may: false },
  { who: 'who answered in another wave', memory: { ...fresh, answered: '2026-Q4' }, may: true },
  { who: 'who has just closed it', memory: afterwards(fresh, 'dismissed', occasion), may: false },
  { who: 'who closed it 29 days ago', memory: { ...fresh, dismissedAt: 71 * day }, may: false },
  { who: 'who closed it 30 days ago', memory: { ...fresh, dismissedAt: 70 * day }, may: true },
])('a visitor $who may be asked: $may', ({ memory, may }) => {
  expect(mayAsk(memory, occasion)).toBe(may);
});

test('shown on three pages in vain counts as closed, and two do not', () => {
  const twice = afterwards(afterwards(fresh, 'shown', occasion), 'shown', occasion);
  expect(mayAsk(twice, occasion)).toBe(true);
  const thrice = afterwards(twice, 'shown', occasion);
  expect(mayAsk(thrice, occasion)).toBe(false);
  expect(mayAsk(thrice, { ...occasion, now: occasion.now + 30 * day })).toBe(true);
});

test("an answer outlives a later wave's dismissal only in its own wave", () => {
  const answered = afterwards(fresh, 'answered', occasion);
  expect(mayAsk(answered, { ...occasion, wave: '2027-Q2' })).toBe(true);
});

test.each([
  { text: undefined },
  { text: 'no JSON' },
  { text: 'null' },
  { text: '7' },
  { text: JSON.stringify({ visitor: 'bob', answered: '2027-Q1', shown: 0 }) },
])('a memory of $text is none', ({ text }) => {
  expect(memoryOf(text, 'ada')).toEqual(fresh);
});

test('a memory is read as it was written', () => {
  const memory = afterwards(fresh, 'dismissed', occasion);
  expect(memoryOf(JSON.stringify(memory), 'ada')).toEqual(memory);
});

test('the share that is asked is the share that was wished, the same visitors each time and others in another wave', () => {
  const visitors = Array.from(
    { length: 4_000 },
    (_, index) => `0197a1b2-c3d4-7e5f-8a9b-${String(index).padStart(12, '0')}`,
  );
  const asked = (share: number, wave: string) =>
    visitors.filter((visitor) => isInSample(share, { ...occasion, visitor, wave }, 'shop'));
  for (const share of [0.1, 0.5]) {
    const count = asked(share, '1').length / visitors.length;
    expect(Math.abs(count - share)).toBeLessThan(0.03);
    expect(asked(share, '1')).toEqual(asked(share, '1'));
  }
  const second = new Set(asked(0.5, '2'));
  const both = asked(0.5, '1').filter((visitor) => second.has(visitor));
  expect(Math.abs(both.length / visitors.length - 0.25)).toBeLessThan(0.04);
  expect(asked(1, '1')).toHaveLength(visitors.length);
  expect(asked(0, '1')).toHaveLength(0);
});
