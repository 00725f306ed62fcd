import { domainToASCII } from 'node:url';
import { InvalidArgumentError } from 'commander';
import { networkOf } from '../ingest/internal.ts';

/** Reads the number of a site. */
export function siteId(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new InvalidArgumentError('A site is named by its number, as milepost site list shows it.');
  return Number(text);
}

/** Reads an origin as browsers send it: scheme, host and port, nothing after. */
export function origins(text: string, earlier: string[] = []): string[] {
  if (text === '*') return [...earlier, text];
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InvalidArgumentError('Write it like https://shop.example, or * for every origin.');
  }
  return [...earlier, new URL(text).origin];
}

/** Reads a host as referrers are compared: in ASCII, without scheme, `*.`, `www.`, port or path. */
export function hosts(text: string, earlier: string[] = []): string[] {
  const given = text
    .trim()
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, '')
    .replace(/[/?#].*$/, '')
    .replace(/:\d+$/, '');
  const host = domainToASCII(given.replace(/^\*\./, '').replace(/\.+$/, '')).replace(/^www\./, '');
  if (host === '') throw new InvalidArgumentError('Write a host, as shop.example.');
  return [...earlier, host];
}

/** Reads an address or a network in CIDR notation. */
export function networks(text: string, earlier: string[] = []): string[] {
  if (networkOf(text) === null)
    throw new InvalidArgumentError(
      'Write an address or a network, as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32.',
    );
  return [...earlier, text.trim()];
}

/** Gathers an option that may stand several times. */
export function collect(text: string, earlier: string[] = []): string[] {
  return [...earlier, text];
}

/** Reads a switch that may be turned off too. */
export function yesOrNo(text: string): boolean {
  if (text === 'yes' || text === 'true') return true;
  if (text === 'no' || text === 'false') return false;
  throw new InvalidArgumentError('Say yes or no.');
}

/** Reads a length of time for PostgreSQL: a number and a unit. */
export function duration(text: string): string {
  if (!/^\d+ ?(seconds?|minutes?|hours?|days?|months?)$/.test(text)) {
    throw new InvalidArgumentError("Write it like '30 minutes', '24 hours' or '13 months'.");
  }
  return text;
}
