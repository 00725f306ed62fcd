import rateLimitPlugin from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isIPv6 } from 'node:net';
import type { Key } from '../plugins/keys.ts';
import { problemForNow } from '../problems.ts';

/** Throws `rate-limited` once the key has sent too much from one address. */
export type RateLimit = (key: Pick<Key, 'kind' | 'name'>, request: FastifyRequest) => Promise<void>;

// So many pairs of key and address are counted at once; the least recently seen is forgotten.
const countedPairs = 50_000;

/** Counts requests with write keys, by key and address. Secret keys are the site's own servers: not limited. */
export async function rateLimitOf(
  app: FastifyInstance,
  { requestsAMinute }: { requestsAMinute: number },
): Promise<RateLimit> {
  if (requestsAMinute === 0) return async () => {};
  const current = new WeakMap<FastifyRequest, string>();
  await app.register(rateLimitPlugin, { global: false, cache: countedPairs });
  const count = app.createRateLimit({
    max: requestsAMinute,
    timeWindow: 60_000,
    keyGenerator: (request) => current.get(request) ?? request.ip,
  });
  return async (key, request) => {
    if (key.kind === 'secret') return;
    current.set(request, `${key.name} ${network(request.ip)}`);
    const state = await count(request);
    if (!state.isAllowed && state.isExceeded) {
      throw problemForNow(
        'rate-limited',
        'Too many requests with this key from this address: wait, and send larger batches.',
        state.ttlInSeconds,
      );
    }
  };
}

/** One household or server has 2^64 addresses of IPv6; they count as one. */
function network(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':').filter(Boolean);
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(':').filter(Boolean).length;
  return [...groups, ...Array.from({ length: missing }, () => '0')].slice(0, 4).join(':');
}
