/** Internal traffic is flagged when it comes in: its address is looked at then, and kept nowhere. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { updateSite } from '../../src/database/sites.ts';
import { prepare } from '../../src/write/prepare.ts';
import { createSite, type TestSite } from '../support/site.ts';
import { startCollector, touchpoint, type TestCollector } from './collector.ts';

let collector: TestCollector;
let site: TestSite;
let other: TestSite;

beforeAll(async () => {
  collector = await startCollector({ config: { trustProxy: true } });
  const { pool } = collector.database;
  site = await createSite(pool, { internal_networks: ['203.0.113.0/24', '2001:db8::/32'] });
  other = await createSite(pool);
});
afterAll(() => collector.stop());

/** Why what is sent from an address is taken for internal. */
async function reasonOf(
  address: string,
  { key = site.writeKey, ...fields }: Record<string, unknown> & { key?: string } = {},
): Promise<string | null> {
  const { statusCode } = await collector.app.inject({
    method: 'POST',
    url: '/v1/events',
    headers: { authorization: `Bearer ${key}`, 'x-forwarded-for': address },
    payload: JSON.stringify({ batch: [touchpoint(fields)] }),
  });
  expect(statusCode).toBe(200);
  const [entry] = collector.buffer.read(null, { maxEntries: 1, maxBytes: 1e6 });
  await collector.buffer.confirm(entry!.position);
  expect(JSON.stringify(entry!.envelope)).not.toContain(address);
  return prepare(entry!).rows[0]!.internalReason;
}

describe('internal is', () => {
  test('what a browser sends from a network of the site’s own people', async () => {
    expect(await reasonOf('203.0.113.9')).toBe('network');
    expect(await reasonOf('::ffff:203.0.113.9')).toBe('network');
    expect(await reasonOf('2001:db8::17')).toBe('network');
  });

  test('what says so by GA4’s traffic_type', async () => {
    expect(await reasonOf('198.51.100.1', { properties: { traffic_type: 'internal' } })).toBe('traffic_type');
  });
});

describe('internal is not', () => {
  test('what comes from elsewhere', async () => {
    expect(await reasonOf('203.0.114.9')).toBe(null);
    expect(await reasonOf('198.51.100.1', { properties: { traffic_type: 'external' } })).toBe(null);
  });

  test('what comes from there to another site', async () => {
    expect(await reasonOf('203.0.113.9', { key: other.writeKey })).toBe(null);
  });

  test('what a server of the site passes on from there', async () => {
    expect(await reasonOf('203.0.113.9', { key: site.secretKey })).toBe(null);
  });
});

test('a network named later counts within seconds, from then on', async () => {
  await updateSite(collector.database.pool, other.siteId, { internal_networks: ['198.51.100.7'] });
  await expect
    .poll(() => reasonOf('198.51.100.7', { key: other.writeKey }), { timeout: 5_000 })
    .toBe('network');
});
