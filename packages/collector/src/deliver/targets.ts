import type { LookupAddress, LookupOptions } from 'node:dns';
import { lookup as systemLookup } from 'node:dns';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Where webhooks may point: `public` is https to addresses of the internet; `any` is for tests on one machine. */
export type TargetPolicy = 'public' | 'any';

/** The error code of an address that webhooks may not reach. */
export const addressNotAllowed = 'ERR_ADDRESS_NOT_ALLOWED';

// public by their range, and yet the inside of a cloud: Azure's host, which hands out credentials
const innerAddresses = new Set(['168.63.129.16']);

/** Whether an address is one of the internet: not private, loopback, link-local, shared, mapped or otherwise special. */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  // an IPv4 address within an IPv6 one is judged as what it is
  const address = ipaddr.process(text);
  return address.range() === 'unicast' && !innerAddresses.has(address.toString());
}

/** Why no webhook may point to a URL; null where one may, as far as its text says: the address is looked at on connecting. */
export function targetProblem(text: string, policy: TargetPolicy): string | null {
  if (!URL.canParse(text)) return 'is not a URL';
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(policy === 'any' && url.protocol === 'http:')) {
    return 'does not begin with https://';
  }
  if (url.username !== '' || url.password !== '') return 'holds a user name or password';
  if (url.hash !== '') return 'holds a fragment, which is never sent';
  if (policy === 'any') return null;
  const host = hostOf(url);
  if (isIP(host) !== 0) return isPublicAddress(host) ? null : 'names an address that is not of the internet';
  return /(^|\.)(localhost|local|internal|localdomain|home\.arpa)\.?$/.test(host) || !host.includes('.')
    ? 'names a host that is not of the internet'
    : null;
}

/** The host of a URL as `net` takes it. */
export const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1');

type Lookup = (
  hostname: string,
  options: LookupOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * A look-up for `net.connect` that gives out allowed addresses alone. The socket connects to what this very look-up gave,
 * so a name that answers otherwise the second time gains nothing by it.
 */
export function guardedLookup(policy: TargetPolicy, resolve: Lookup = systemLookup as Lookup) {
  return (
    hostname: string,
    options: LookupOptions,
    callback: (
      error: NodeJS.ErrnoException | null,
      address: string | LookupAddress[],
      family?: number,
    ) => void,
  ): void => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      // one inner address among outer ones is reason enough
      if (policy === 'public' && !addresses.every(({ address }) => isPublicAddress(address))) {
        return callback(refusedAddress(), []);
      }
      const [first] = addresses;
      if (options.all === true || first === undefined) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
}

/** The error of a host that stands for an address webhooks may not reach. */
export function refusedAddress(): NodeJS.ErrnoException {
  return Object.assign(new Error('the host stands for an address that is not of the internet'), {
    code: addressNotAllowed,
  });
}
