import { Temporal } from 'temporal-polyfill';

import { Refusal } from '../refusal.ts';

const unzoned = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?$/;
const mostRemembered = 20_000;

/**
 * Reads times that name no zone as wall-clock times of `timeZone`, daylight saving included (an hour that happened
 * twice is its first; one that was skipped moves on). Returns milliseconds; what names a zone, or is no such time, comes back unchanged.
 */
export function wallClockReader(timeZone: string): (time: unknown) => unknown {
  try {
    Temporal.Now.zonedDateTimeISO(timeZone);
  } catch (cause) {
    throw new Refusal(`“${timeZone}” is no time zone; write one like Europe/Berlin.`, { cause });
  }
  // Offsets change at most every ten minutes of wall clock, so one look-up serves all times within them.
  const offsets = new Map<string, number>();

  function offsetAt(text: string): number {
    const clock = text.length === 10 ? `${text}T00:00` : text.replace(/[t ]/, 'T').replace(',', '.');
    const key = clock.slice(0, 15);
    let offset = offsets.get(key);
    if (offset === undefined) {
      const local = Temporal.PlainDateTime.from(`${key}0`);
      const exact = local.toZonedDateTime(timeZone, { disambiguation: 'compatible' });
      offset = Date.parse(`${key}0:00Z`) - exact.epochMilliseconds;
      if (offsets.size >= mostRemembered) offsets.clear();
      offsets.set(key, offset);
    }
    return offset;
  }

  return (time) => {
    if (typeof time !== 'string') return time;
    const text = time.trim();
    if (!unzoned.test(text)) return time;
    const date = text.slice(0, 10);
    const clock = text.length === 10 ? '00:00' : text.slice(11).replace(',', '.');
    const utc = Date.parse(`${date}T${clock.replace(/(\.\d{3})\d+/, '$1')}Z`);
    if (Number.isNaN(utc)) return time; // no such day or hour: the judge says so
    return timeZone === 'UTC' ? utc : utc - offsetAt(text);
  };
}
