/** A seeded source of chance: the same seed gives the same sequence on every machine (sfc32). */
export type Random = {
  /** A whole number from 0 to 2^32 − 1. */
  bits(): number;
  /** From 0 up to, not including, 1. */
  unit(): number;
  /** A whole number from 0 up to, not including, `below`. */
  below(below: number): number;
  /** True for the given share of calls. */
  chance(share: number): boolean;
  /** One of the list, each as likely as the other. */
  pick<T>(list: readonly T[]): T;
  /** An exponential waiting time with this mean. */
  wait(mean: number): number;
};

export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = 0xb7e15162;
  let counter = seed | 0;

  function bits(): number {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  }
  // The first outputs of near seeds look alike; sfc32's author throws away twelve.
  for (let index = 0; index < 12; index += 1) bits();

  const unit = () => bits() / 4_294_967_296;
  const below = (limit: number) => Math.floor(unit() * limit);
  return {
    bits,
    unit,
    below,
    chance: (share) => unit() < share,
    pick: (list) => {
      const picked = list[below(list.length)];
      if (picked === undefined) throw new RangeError('pick() from an empty list');
      return picked;
    },
    wait: (mean) => -Math.log(1 - unit()) * mean,
  };
}

/** Draws an index by weight; the draw is one binary search. */
export function weighted(weights: readonly number[]): (random: Random) => number {
  const sums: number[] = [];
  let total = 0;
  for (const weight of weights) sums.push((total += weight));
  return (random) => {
    const target = random.unit() * total;
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) > target) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** Zipf's law: the k-th of `count` weighs 1/k. */
export function zipf(count: number): (random: Random) => number {
  return weighted(Array.from({ length: count }, (_, index) => 1 / (index + 1)));
}

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const hex16 = (bits: number) => `${hexOfByte[(bits >>> 8) & 255] ?? ''}${hexOfByte[bits & 255] ?? ''}`;

/** A UUID v7 whose random part comes from `random`, so that a seed repeats it. */
export function uuidV7(atMs: number, random: Random): string {
  const high = Math.floor(atMs / 65_536);
  const first = random.bits();
  const second = random.bits();
  const third = random.bits();
  return (
    `${hex16(high >>> 16)}${hex16(high)}-${hex16(atMs % 65_536)}-` +
    `${hex16(0x7000 | (first & 0x0fff))}-${hex16(0x8000 | ((first >>> 16) & 0x3fff))}-` +
    `${hex16(second >>> 16)}${hex16(second)}${hex16(third)}`
  );
}
