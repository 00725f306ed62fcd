import { parse } from 'csv-parse/sync';

/** One exchange rate: how much of `currency` one unit of the day's base is worth, a decimal as text. */
export type Rate = { day: string; currency: string; rate: string };

/** Rates of whole days. Each day has its base among them, with the rate 1. */
export type RateTable = { rates: Rate[]; days: number };

/** Why rates cannot be read, with the place, in a sentence that repeats nothing of them. */
export class UnreadableRates extends Error {
  override readonly name = 'UnreadableRates';
}

type Said = { day: string; base: string; currency: string; rate: string; place: string };

const currencyPattern = /^[A-Z]{3}$/;
/** The base of rates that name none: the ECB's. */
const usualBase = 'EUR';

/**
 * Reads rates as JSON or CSV, whichever the text is:
 * the ECB's `eurofxref.csv` and `eurofxref-hist.csv`, CSV with the columns day, currency, rate and perhaps base (or
 * those of the ECB Data Portal), a JSON list of such objects, or `{ base, date, rates: { USD: 1.1 } }`.
 * Throws `UnreadableRates`: rates of a day go together, so all are taken or none.
 */
export function readRates(text: string): RateTable {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  if (trimmed === '') throw new UnreadableRates('There is nothing in it.');
  return tableOf(/^[[{]/.test(trimmed) ? saidInJson(trimmed) : saidInCsv(trimmed));
}

function tableOf(said: Said[]): RateTable {
  const days = new Map<string, { base: string; rates: Map<string, string> }>();
  for (const { day, base, currency, rate, place } of said) {
    const known = days.get(day) ?? { base, rates: new Map([[base, '1']]) };
    days.set(day, known);
    if (known.base !== base) throw new UnreadableRates(`${place}: the day has rates of two bases.`);
    const before = known.rates.get(currency);
    if (before !== undefined && before !== rate) {
      const why =
        currency === base ? 'the base itself has the rate 1' : 'the day has two rates of this currency';
      throw new UnreadableRates(`${place}: ${why}.`);
    }
    known.rates.set(currency, rate);
  }
  if (days.size === 0) throw new UnreadableRates('There is no rate in it.');
  const rates = [...days].flatMap(([day, known]) =>
    [...known.rates].map(([currency, rate]) => ({ day, currency, rate })),
  );
  return { rates, days: days.size };
}

function saidInCsv(text: string): Said[] {
  let rows: string[][];
  try {
    rows = parse(text, { relax_column_count: true, skip_empty_lines: true, trim: true });
  } catch {
    throw new UnreadableRates('It is neither JSON nor CSV.');
  }
  const [first = [], ...others] = rows;
  const names = first.map((name) => name.toLowerCase());
  const columnOf = (...aliases: string[]): number => names.findIndex((name) => aliases.includes(name));
  const columns = {
    day: columnOf('day', 'date', 'time_period'),
    currency: columnOf('currency'),
    rate: columnOf('rate', 'obs_value'),
    base: columnOf('base', 'currency_denom'),
  };
  if (columns.day >= 0 && columns.currency >= 0 && columns.rate >= 0) return saidInLines(others, columns, 2);
  if (columns.day === 0) return saidInWideLines(first, others);
  if (first.length === 3 && dayOf(first[0]) !== null) {
    return saidInLines(rows, { day: 0, currency: 1, rate: 2, base: -1 }, 1);
  }
  throw new UnreadableRates(
    'Line 1: name the columns day, currency and rate; or send what the ECB publishes, with a column a currency.',
  );
}

type Columns = { day: number; currency: number; rate: number; base: number };

function saidInLines(rows: string[][], columns: Columns, firstLine: number): Said[] {
  return rows.flatMap((row, index) => {
    const place = `Line ${index + firstLine}`;
    const base = columns.base < 0 ? usualBase : (row[columns.base] ?? '');
    return saidOf({ ...pick(row, columns), base }, place);
  });
}

function pick(row: string[], { day, currency, rate }: Columns) {
  return { day: row[day], currency: row[currency], rate: row[rate] };
}

/** One line a day, one column a currency. Both of the ECB's files end each line with a comma. */
function saidInWideLines(header: string[], rows: string[][]): Said[] {
  const currencies = header.slice(1);
  return rows.flatMap((row, index) =>
    currencies.flatMap((currency, column) => {
      const place = `Line ${index + 2}, column ${column + 2}`;
      const rate = row[column + 1];
      if (currency === '') {
        if (rate === undefined || rate === '') return [];
        throw new UnreadableRates(`${place}: the column has no currency.`);
      }
      return saidOf({ day: row[0], base: usualBase, currency, rate }, place);
    }),
  );
}

function saidInJson(text: string): Said[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UnreadableRates('It begins like JSON and is none.');
  }
  const { base, date, day = date, rates } = Array.isArray(json) ? { rates: json } : (json as JsonRates);
  if (Array.isArray(rates)) {
    return rates.flatMap((entry: unknown, index) => {
      const place = `Rate ${index + 1}`;
      if (!isObject(entry))
        throw new UnreadableRates(`${place}: it is no object with day, currency and rate.`);
      return saidOf({ base, ...entry, day: entry['day'] ?? entry['date'] ?? day }, place);
    });
  }
  if (!isObject(rates)) {
    throw new UnreadableRates('Send a list of objects with day, currency and rate, or the same as `rates`.');
  }
  return Object.entries(rates).flatMap(([key, value], index) => {
    const place = `Rate ${index + 1}`;
    if (!isObject(value)) return saidOf({ day, base, currency: key, rate: value }, place);
    return Object.entries(value).flatMap(([currency, rate]) =>
      saidOf({ day: key, base, currency, rate }, place),
    );
  });
}

type JsonRates = { base?: unknown; date?: unknown; day?: unknown; rates?: unknown };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** One rate, or none where it is said to be not available. */
function saidOf(
  { day, base = usualBase, currency, rate }: { [Name in keyof Said]?: unknown },
  place: string,
): Said[] {
  if (rate === undefined || rate === null || rate === '' || rate === 'N/A' || rate === '-') return [];
  const said = {
    day: dayOf(day),
    base: codeOf(base),
    currency: codeOf(currency),
    rate: decimalOf(rate),
  };
  if (said.day === null)
    throw new UnreadableRates(`${place}: the day is not readable; write it like 2026-11-20.`);
  if (said.base === null || said.currency === null)
    throw new UnreadableRates(`${place}: a currency is three letters, as USD (ISO 4217).`);
  if (said.rate === null)
    throw new UnreadableRates(`${place}: the rate is not a number above 0 and below 10¹², with a point.`);
  return [{ day: said.day, base: said.base, currency: said.currency, rate: said.rate, place }];
}

function codeOf(value: unknown): string | null {
  const code = typeof value === 'string' ? value.trim().toUpperCase() : '';
  return currencyPattern.test(code) ? code : null;
}

const decimals = 12;

/** A decimal without needless zeros, to twelve decimals. */
function decimalOf(value: unknown): string | null {
  const text =
    typeof value === 'number' ? plainText(value) : typeof value === 'string' ? value.trim() : undefined;
  const match = /^(\d{1,12})(?:\.(\d+))?$/.exec(text ?? '');
  if (!match) return null;
  const [, whole = '', fraction = ''] = match;
  const digits = whole + fraction.slice(0, decimals).padEnd(decimals, '0');
  const rounded = String(BigInt(digits) + (Number(fraction[decimals] ?? 0) >= 5 ? 1n : 0n)).padStart(
    decimals + 1,
    '0',
  );
  const kept = rounded.slice(-decimals).replace(/0+$/, '');
  const decimal = rounded.slice(0, -decimals) + (kept === '' ? '' : `.${kept}`);
  return decimal === '0' ? null : decimal;
}

/** 1e-7 is how JavaScript writes small numbers. */
function plainText(value: number): string {
  const text = String(value);
  return text.includes('e-') ? value.toFixed(20) : text;
}

const months = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
];

/** A day as 2026-11-20, given like that or, as in the ECB's daily file, as 20 November 2026. */
function dayOf(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const text = value.trim();
  const inWords = /^(\d{1,2}) ([A-Za-z]+) (\d{4})$/.exec(text);
  const day = inWords
    ? `${inWords[3]}-${twoDigits(months.indexOf(inWords[2]!.toLowerCase()) + 1)}-${twoDigits(Number(inWords[1]))}`
    : text;
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) return null;
  const at = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== day ? null : day;
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}
