import fc from 'fast-check';
import { expect, test } from 'vitest';
import { occurredAtOf, readTime } from './time.ts';

const noon = Date.UTC(2026, 0, 5, 12);

test.each([
  ['2026-01-05T12:00:00.000Z', noon],
  ['2026-01-05T12:00Z', noon],
  ['2026-01-05t12:00:00z', noon],
  ['2026-01-05 12:00:00', noon],
  ['2026-01-05T12:00:00', noon],
  ['2026-01-05', Date.UTC(2026, 0, 5)],
  ['2026-01-05T13:00:00+01:00', noon],
  ['2026-01-05T13:00:00+0100', noon],
  ['2026-01-05T13:00:00+01', noon],
  ['2026-01-05T12:00:00.123456789Z', noon + 123],
  ['2026-01-05T12:00:00,5Z', noon + 500],
  [String(noon), noon],
  [noon, noon],
  [noon + 0.7, noon],
  ['1997-01-01T00:00:00Z', Date.UTC(1997, 0, 1)],
])('%j is a time', (value, time) => expect(readTime(value)).toBe(time));

test.each(
  [
    [
      '',
      'now',
      'yesterday',
      '1',
      '12',
      '2026',
      'Nov 22 2026',
      '+275760-09-13T00:00:00.000Z',
      '99999999999999999',
    ],
    ['2026-13-01T00:00:00.000Z', '2026-02-30T00:00:00.000Z', '2026-02-29', '2026-01-05T25:00Z'],
    [Number.NaN, Number.POSITIVE_INFINITY, 9e15, null, undefined, true, {}, []],
  ].flat(),
)('%j is no time', (value) => expect(readTime(value)).toBeNull());

test('times of one day, read one after the other, are what each is alone', () => {
  const day = fc.constantFrom(
    '2026-01-05',
    '2026-01-06',
    '2024-02-29',
    '2026-02-29',
    '0000-01-01',
    '9999-12-31',
  );
  const digit = fc.integer({ min: 0, max: 9 });
  const clock = fc
    .array(fc.oneof({ weight: 30, arbitrary: digit.map(String) }, fc.constantFrom('-', ':', 'Z', ' ', '٣')), {
      minLength: 9,
      maxLength: 9,
    })
    .map((at) => `${at[0]}${at[1]}:${at[2]}${at[3]}:${at[4]}${at[5]}.${at[6]}${at[7]}${at[8]}`);
  fc.assert(
    fc.property(fc.array(fc.tuple(day, clock), { maxLength: 20 }), (times) => {
      for (const [date, time] of times) {
        const text = `${date}T${time}Z`;
        const alone = Date.parse(text);
        const isTime =
          !Number.isNaN(alone) && new Date(alone).toISOString() === text && date !== '0000-01-01';
        // 24:00 is the one other way to write a time.
        if (!time.startsWith('24:')) expect(readTime(text)).toBe(isTime ? alone : null);
      }
    }),
    { seed: 1997, numRuns: 2_000 },
  );
});

const second = 1_000;
test.each([
  { skew: 0, shift: 0 },
  { skew: 299.999, shift: 0 },
  { skew: -299.999, shift: 0 },
  { skew: 300, shift: 300 },
  { skew: 449.999, shift: 300 },
  { skew: 450, shift: 600 },
  { skew: -300, shift: -300 },
  { skew: -449.999, shift: -300 },
  { skew: -450, shift: -600 },
  { skew: 3_600, shift: 3_600 },
  { skew: -86_400, shift: -86_400 },
])('a skew of $skew s shifts by $shift s', ({ skew, shift }) => {
  const receivedAt = noon;
  const clientTime = noon - 7_200 * second - skew * second;
  const sentAt = receivedAt - skew * second;
  expect(occurredAtOf({ clientTime, sentAt, receivedAt })).toBe(clientTime + shift * second);
});

test('nothing happens after it was received', () => {
  expect(occurredAtOf({ clientTime: noon + 5, sentAt: noon, receivedAt: noon })).toBe(noon);
  expect(occurredAtOf({ clientTime: noon + 5, sentAt: null, receivedAt: noon })).toBe(noon);
});

test('without sent_at nothing is shifted', () => {
  const clientTime = noon - 3_600 * second;
  expect(occurredAtOf({ clientTime, sentAt: null, receivedAt: noon })).toBe(clientTime);
});
