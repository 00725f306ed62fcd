const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/;

/** Past this no price, quantity or score is meant, and sums of it would lose their cents. */
const largest = 1e15;

/** Reads a number, or the text of one in the form `-12.5`; null where it is neither. */
export function readAmount(value: unknown): number | null {
  const number = typeof value === 'string' && decimal.test(value.trim()) ? Number(value) : value;
  return typeof number === 'number' && Math.abs(number) < largest ? number : null;
}
