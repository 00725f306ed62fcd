import { describe, expect, test } from 'vitest';

import { wallClockReader } from './time-zone.ts';

const iso = (time: unknown) => (typeof time === 'number' ? new Date(time).toISOString() : time);

describe('a time without a zone', () => {
  test.each([
    { zone: 'UTC', time: '2024-03-13 10:21:14', at: '2024-03-13T10:21:14.000Z' },
    { zone: 'Europe/Berlin', time: '2024-01-15 10:00:00', at: '2024-01-15T09:00:00.000Z' },
    { zone: 'Europe/Berlin', time: '2024-07-15T10:00', at: '2024-07-15T08:00:00.000Z' },
    { zone: 'Europe/Berlin', time: '1997-01-01', at: '1996-12-31T23:00:00.000Z' },
    { zone: 'America/New_York', time: '2024-07-15 10:00:00.123456', at: '2024-07-15T14:00:00.123Z' },
    // The hour that happens twice is its first, the skipped one moves on.
    { zone: 'Europe/Berlin', time: '2024-10-27 02:30:00', at: '2024-10-27T00:30:00.000Z' },
    { zone: 'Europe/Berlin', time: '2024-03-31 02:30:00', at: '2024-03-31T01:30:00.000Z' },
    { zone: 'Australia/Lord_Howe', time: '2024-04-07 01:45:00', at: '2024-04-06T14:45:00.000Z' },
  ])('$time in $zone is $at', ({ zone, time, at }) => {
    expect(iso(wallClockReader(zone)(time))).toBe(at);
  });

  test.each([
    '2024-03-13T10:21:14+01:00',
    '2024-03-13T10:21:14Z',
    '2024-02-30 25:00:00',
    'soon',
    1_710_325_274_000,
  ])('%s comes back as it is', (time) => {
    expect(wallClockReader('Europe/Berlin')(time)).toBe(time);
  });

  test('of an unknown zone is refused', () => {
    expect(() => wallClockReader('Europe/Atlantis')).toThrow('no time zone');
  });
});
