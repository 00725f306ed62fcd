import { BlockList, isIP } from 'node:net';

export type Network = { address: string; prefix: number; family: 'ipv4' | 'ipv6' };

/** Reads an address or a network in CIDR notation; null for anything else. */
export function networkOf(text: string): Network | null {
  const [address = '', bits, ...more] = text.trim().split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0) return null;
  const longest = version === 4 ? 32 : 128;
  if (bits !== undefined && !/^\d{1,3}$/.test(bits)) return null;
  const prefix = bits === undefined ? longest : Number(bits);
  return prefix > longest ? null : { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** Tells whether an address belongs to one of the networks; null where there are none to tell of. */
export function internalNetworks(texts: readonly string[]): ((address: string) => boolean) | null {
  const list = new BlockList();
  let isEmpty = true;
  for (const text of texts) {
    const network = networkOf(text);
    if (network === null) continue; // written past the CLI: nobody is taken for internal by a typo
    list.addSubnet(network.address, network.prefix, network.family);
    isEmpty = false;
  }
  if (isEmpty) return null;
  return (address) => {
    // A server that listens on both kinds says an IPv4 address as IPv6.
    const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address.replace(/%.*$/, '');
    const version = isIP(plain);
    return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6');
  };
}
