import type { Amount } from './amounts.ts';
import { day as dayLength, type Settings } from './inputs.ts';

/** One row of the input: what one unit of the day's base was worth in this currency. The base itself has 1. */
export type Rate = { day: string; currency: string; rate: string };

/** A factor between two currencies, in units of 10⁻²⁰. */
export type Factor = bigint;
const places = 10n ** 20n;

/** The calendar day in the site's time zone. */
export function dayOf(at: number, settings: Settings): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: settings.time_zone, dateStyle: 'short' }).format(at);
}

/** The rate of the day of an instant; else that of the latest day before with both currencies, seven days back at most. */
export function factorAt(at: number, from: string, to: string, settings: Settings): Factor | null {
  if (from === to) return places;
  const last = dayOf(at, settings);
  for (let back = 0; back <= 7; back += 1) {
    const day = new Date(Date.parse(last) - back * dayLength).toISOString().slice(0, 10);
    const given = rateOn(day, from, settings);
    const wanted = rateOn(day, to, settings);
    if (given !== null && wanted !== null) return divided(wanted * places, given);
  }
  return null;
}

function rateOn(day: string, currency: string, { rates }: Settings): bigint | null {
  const found = rates.find((rate) => rate.day === day && rate.currency === currency);
  if (!found) return null;
  const [whole = '', fraction = ''] = found.rate.split('.');
  return BigInt(whole + fraction.padEnd(12, '0'));
}

/** To six decimals, halves away from zero; null without a factor. */
export function converted(amount: Amount, factor: Factor | null): Amount | null {
  return factor === null ? null : divided(amount * factor, places);
}

function divided(amount: bigint, by: bigint): bigint {
  return (2n * amount + by) / (2n * by);
}
