import { InvalidArgumentError } from 'commander';

/** Reads the number of a site. */
export function siteId(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new InvalidArgumentError('A site is named by its number, as milepost site list shows it.');
  return Number(text);
}

/** Gathers an option that may stand several times. */
export function collect(text: string, earlier: string[] = []): string[] {
  return [...earlier, text];
}

/** Reads a length of time for PostgreSQL: a number and a unit. */
export function duration(text: string): string {
  if (!/^\d+ ?(seconds?|minutes?|hours?|days?|months?)$/.test(text)) {
    throw new InvalidArgumentError("Write it like '30 minutes', '24 hours' or '13 months'.");
  }
  return text;
}
