/**
 * Makes UUIDs of version 7 that sort in the order of the calls, also within one millisecond: the 12 bits after
 * the version count up from a random start (RFC 9562, 6.2, method 1).
 */
export function uuidSource(
  fillRandom: (words: Uint16Array<ArrayBuffer>) => Uint16Array,
): (timeMs: number) => string {
  let lastTime = 0;
  let counter = 0;
  return (timeMs) => {
    const [seed, variant, ...node] = fillRandom(new Uint16Array(5)) as unknown as [number, number, number];
    counter = timeMs === lastTime ? counter + 1 : seed & 0x7ff;
    lastTime = timeMs;
    return [timeMs, 0x7000 | (counter & 0xfff), 0x8000 | (variant & 0x3fff), ...node]
      .map((word, index) => word.toString(16).padStart(index ? 4 : 12, '0'))
      .join('')
      .replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  };
}

/** The milliseconds since 1970 that a UUID v7 begins with. NaN for a text that is none. */
export function timeOfUuid(id: string): number {
  return parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
