const zoned = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?\s?(?:[Zz]|[+-]\d\d(?::?\d\d)?)$/;
const unzoned = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?$/;
const milliseconds = /^-?\d{11,15}$/;

// 0001-01-01 and 9999-12-31: both JavaScript and PostgreSQL write these years with four digits.
const earliest = -62_135_596_800_000;
const latest = 253_402_300_799_999;

/** Skews below this are network delay and clock drift, not a wrong clock. Larger ones are rounded to multiples of it. */
export const skewStepMs = 300_000;

/**
 * Reads an ISO 8601 time (UTC where it names no zone) or milliseconds since 1970, also as text.
 * Null where it cannot be read or lies outside the years 1 to 9999.
 */
export function readTime(value: unknown): number | null {
  if (typeof value === 'number') return inRange(Math.trunc(value));
  if (typeof value !== 'string') return null;
  // By far the most frequent form, what Date.prototype.toISOString writes.
  if (value.length === 24 && value.charCodeAt(23) === 90 && value.charCodeAt(10) === 84) {
    const clock = clockIn(value);
    if (clock !== null && value.startsWith(lastDay)) return lastMidnight + clock;
    const time = Date.parse(value);
    if (!Number.isNaN(time)) {
      const read = isRealDay(value) ? inRange(time) : null;
      if (read !== null && clock !== null) {
        lastDay = value.slice(0, 10);
        lastMidnight = time - clock;
      }
      return read;
    }
  }
  const text = value.trim();
  if (milliseconds.test(text)) return inRange(Number(text));
  const zone = zoned.test(text) ? '' : unzoned.test(text) ? (text.length > 10 ? 'Z' : '') : null;
  return zone !== null && isRealDay(text) ? inRange(Date.parse(normalised(text) + zone)) : null;
}

// Times come in runs of one day, of which only the clock must be read: a fifth of the time.
let lastDay = 'none yet';
let lastMidnight = 0;

/** Milliseconds since midnight in `2026-11-23T12:34:56.789Z`; null where that is not what stands there. */
function clockIn(text: string): number | null {
  if (text.charCodeAt(13) !== colon || text.charCodeAt(16) !== colon || text.charCodeAt(19) !== dot)
    return null;
  const hours = twoDigits(text, 11);
  const minutes = twoDigits(text, 14);
  const seconds = twoDigits(text, 17);
  const hundredths = twoDigits(text, 20);
  const thousandth = text.charCodeAt(22) - zero;
  const isClock =
    hours < 24 && minutes < 60 && seconds < 60 && hundredths < 100 && thousandth >= 0 && thousandth < 10;
  return isClock ? ((hours * 60 + minutes) * 60 + seconds) * 1_000 + hundredths * 10 + thousandth : null;
}

const [zero, colon, dot] = [48, 58, 46];

/** The number that two digits are; 100 where they are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - zero;
  const ones = text.charCodeAt(at + 1) - zero;
  return tens >= 0 && tens < 10 && ones >= 0 && ones < 10 ? tens * 10 + ones : 100;
}

/** JavaScript reads 30 February as 2 March. */
function isRealDay(text: string): boolean {
  const day = Number(text.slice(8, 10));
  return (
    day <= 28 || day <= new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate()
  );
}

/** The one form that every JavaScript engine must parse: `T`, a dot, three digits, `Z` or `+hh:mm`. */
function normalised(text: string): string {
  return text
    .replace(/[t ]/, 'T')
    .replace(/\s/, '')
    .replace(',', '.')
    .replace(/(\.\d{3})\d+/, '$1')
    .replace(/z$/, 'Z')
    .replace(/([+-]\d\d)(\d\d)?$/, (all, hours: string, minutes: string | undefined, at: number) =>
      at < 13 ? all : `${hours}:${minutes ?? '00'}`,
    );
}

function inRange(time: number): number | null {
  return time >= earliest && time <= latest ? time : null;
}

/** The three clocks of a touchpoint, in milliseconds since 1970. */
export type Clocks = { clientTime: number; sentAt: number | null; receivedAt: number };

/**
 * When a touchpoint happened, by the collector's clock. A client clock that is 300 s or more wrong is set right by
 * the skew, rounded to the nearest 300 s (halves away from zero); smaller differences are transit time and shift
 * nothing. Never after `receivedAt`.
 */
export function occurredAtOf({ clientTime, sentAt, receivedAt }: Clocks): number {
  const skew = sentAt === null ? 0 : receivedAt - sentAt;
  const size = Math.abs(skew);
  const shift = size < skewStepMs ? 0 : Math.sign(skew) * Math.round(size / skewStepMs) * skewStepMs;
  return Math.min(clientTime + shift, receivedAt);
}
