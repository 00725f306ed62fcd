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
