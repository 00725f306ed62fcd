import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { networkOf } from '../ingest/internal.ts';
import { durationOf, durationText, intervalOf, secondsOf } from './duration.ts';

/** How a setting is written. */
export type FormName =
  | 'duration'
  | 'duration or off'
  | 'durations'
  | 'boolean'
  | 'origins'
  | 'hosts'
  | 'networks'
  | 'ids'
  | 'currency'
  | 'time zone'
  | 'number'
  | 'numbers by type';

/** How a setting is read, what of it is stored, and how it is shown. */
type Storable = string | boolean | string[] | number | Record<string, number>;

export type Form<Stored extends Storable = Storable> = {
  name: FormName;
  /** What is allowed, as a sentence for whoever gave something else. */
  allowed: string;
  /** Reads what an operator wrote, or what code gives. */
  schema: z.ZodType<Stored>;
  /** What is stored, as it would be written. */
  textOf: (stored: unknown) => string;
};

/** From where to where a length of time may go, both included. */
type Range = { least: string; most: string };

export function duration({ least, most }: Range): Form<string> {
  return {
    name: 'duration',
    allowed: `Write it like '30 minutes', '24 hours' or '13 months'; from ${least} to ${most}.`,
    schema: durationSchema({ least, most }),
    textOf: shownDuration,
  };
}

/** A length of time, or `off`, which is stored as none at all. */
export function durationOrOff({ least, most }: Range): Form<string> {
  return {
    name: 'duration or off',
    allowed: `Write it like '13 months', from ${least} to ${most}, or off.`,
    schema: z.union([
      z.literal('off').transform(() => '0 seconds'),
      z.literal('0 seconds'),
      durationSchema({ least, most }),
    ]),
    textOf: (stored) => (isNone(stored) ? 'off' : shownDuration(stored)),
  };
}

function isNone(stored: unknown): boolean {
  return length(String(stored)) === 0;
}

export function durations({ least, most }: Range, longest: number): Form<string[]> {
  return {
    name: 'durations',
    allowed: `Write them like '0 minutes, 24 hours': one to ${longest}, each longer than the one before, from ${least} to ${most}.`,
    schema: list(durationSchema({ least, most })).refine(
      (steps) =>
        steps.length > 0 &&
        steps.length <= longest &&
        steps.every((step, index) => index === 0 || length(step) > length(steps[index - 1] ?? '')),
    ),
    textOf: (stored) => (stored as string[]).map(shownDuration).join(', '),
  };
}

export function boolean(): Form<boolean> {
  return {
    name: 'boolean',
    allowed: 'Say yes or no.',
    schema: z.preprocess(
      (given) =>
        given === 'yes' || given === 'true' ? true : given === 'no' || given === 'false' ? false : given,
      z.boolean(),
    ),
    textOf: (stored) => (stored ? 'yes' : 'no'),
  };
}

export function origins(): Form<string[]> {
  return {
    name: 'origins',
    allowed: 'Write them like https://shop.example, with commas between, or * for every origin.',
    schema: list(
      z
        .string()
        .refine((text) => text === '*' || (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)))
        .transform((text) => (text === '*' ? text : new URL(text).origin)),
    ),
    textOf: joined,
  };
}

export function hosts(): Form<string[]> {
  return {
    name: 'hosts',
    allowed: 'Write hosts, as shop.example, with commas between.',
    schema: list(
      z
        .string()
        .transform(hostOf)
        .refine((host) => host !== ''),
    ),
    textOf: joined,
  };
}

export function networks(): Form<string[]> {
  return {
    name: 'networks',
    allowed:
      'Write addresses or networks, as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32, with commas between.',
    schema: list(z.string().refine((text) => networkOf(text) !== null)),
    textOf: joined,
  };
}

export function worthlessIds(): Form<string[]> {
  return {
    name: 'ids',
    allowed: 'Write up to 100 ids, as noreply@shop.example or 9999999999, with commas between.',
    schema: list(
      z
        .string()
        .transform((text) => text.trim().toLowerCase())
        .refine((text) => text !== '' && text.length <= 300),
    ).refine((ids) => ids.length <= 100),
    textOf: joined,
  };
}

export function count({ least, most }: { least: number; most: number }): Form<number> {
  return {
    name: 'number',
    allowed: `A whole number from ${least} to ${most}.`,
    schema: z.preprocess(numberOf, z.number().int().min(least).max(most)),
    textOf: String,
  };
}

export function countsByType({ least, most }: { least: number; most: number }): Form<Record<string, number>> {
  return {
    name: 'numbers by type',
    allowed: `Write them like {"loyalty_card": 2}, whole numbers from ${least} to ${most} by type of identity.`,
    schema: z.preprocess(
      (given) => (typeof given === 'string' ? jsonOf(given) : given),
      z.record(z.string().min(1).max(100), z.number().int().min(least).max(most)),
    ),
    textOf: (stored) => JSON.stringify(stored),
  };
}

function numberOf(given: unknown): unknown {
  return typeof given === 'string' && /^\d{1,9}$/.test(given) ? Number(given) : given;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

export function currency(): Form<string> {
  return {
    name: 'currency',
    allowed: 'A currency is three capitals, as EUR.',
    schema: z.string().regex(/^[A-Z]{3}$/),
    textOf: String,
  };
}

export function timeZone(): Form<string> {
  return {
    name: 'time zone',
    allowed: 'Write the IANA name of a time zone, as Europe/Berlin.',
    schema: z.string().refine(isTimeZone),
    textOf: String,
  };
}

/** A host as referrers are compared: in ASCII, without scheme, `*.`, `www.`, port or path; '' where it is none. */
export function hostOf(text: string): string {
  const given = text
    .trim()
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, '')
    .replace(/[/?#].*$/, '')
    .replace(/:\d+$/, '');
  return domainToASCII(given.replace(/^\*\./, '').replace(/\.+$/, '')).replace(/^www\./, '');
}

function isTimeZone(text: string): boolean {
  try {
    // An offset is none: a site's days begin by the clocks of a place.
    return (
      !/^[+-]/.test(text) &&
      new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== ''
    );
  } catch {
    return false;
  }
}

/** A list, or a text with commas between its parts; a blank one is empty. */
function list<Item extends z.ZodType<string, string>>(item: Item) {
  return z.preprocess(
    (given) =>
      typeof given === 'string'
        ? given
            .split(',')
            .map((part) => part.trim())
            .filter((part) => part !== '')
        : given,
    z.array(item).max(1_000),
  );
}

function durationSchema({ least, most }: Range) {
  return z.string().transform((text, context) => {
    const read = durationOf(text);
    if (read && length(text) >= length(least) && length(text) <= length(most)) return intervalOf(read);
    context.addIssue({ code: 'custom', message: 'is not allowed' });
    return z.NEVER;
  });
}

/** How long a duration is that is known to be one, in seconds. */
export function length(text: string): number {
  return secondsOf(durationOf(text) ?? { months: 0, seconds: Number.NaN });
}

function shownDuration(stored: unknown): string {
  const read = durationOf(String(stored));
  return read ? durationText(read) : String(stored);
}

function joined(stored: unknown): string {
  return (stored as string[]).join(', ');
}
