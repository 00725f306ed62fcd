import { expect, test } from 'vitest';
import { contextOf } from './context.ts';

const chrome =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
const android =
  'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36';
const tablet = 'Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36';
const iphone =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1';

const read = (context: unknown, call: { type?: string; properties?: unknown } = {}) =>
  contextOf(context, { type: call.type ?? 'track', properties: call.properties }) as Record<string, unknown>;

test('an address is not kept', () => {
  expect(read({ ip: '203.0.113.7', locale: 'de' })).toEqual({ locale: 'de' });
});

test('page and campaign have the same names in both', () => {
  const context = {
    page: {
      url: 'https://shop.example/?utm_source=n',
      path: '/',
      title: 'Home',
      referrer: 'https://a.example',
    },
    campaign: { source: 'n', medium: 'email', name: 'spring' },
  };
  expect(read(context)).toEqual(context);
});

test("RudderStack's word for no referrer is none", () => {
  expect(read({ page: { path: '/', referrer: '$direct' } })).toEqual({ page: { path: '/', referrer: '' } });
});

test('a page call without the page in its context has it in its properties', () => {
  const properties = { url: 'https://shop.example/a', title: 'A', referrer: '$direct', price: 7, path: 3 };
  expect(read({}, { type: 'page', properties })).toEqual({
    page: { url: 'https://shop.example/a', title: 'A', referrer: '' },
  });
  expect(read({}, { type: 'page', properties: { price: 7 } })).toEqual({});
  expect(read({}, { type: 'track', properties })).toEqual({});
});

test.each([
  { context: { userAgent: chrome }, type: 'desktop' },
  { context: { userAgent: android }, type: 'mobile' },
  { context: { userAgent: iphone }, type: 'mobile' },
  { context: { userAgent: tablet }, type: 'tablet' },
  { context: { userAgent: chrome, userAgentData: { mobile: true } }, type: 'mobile' },
  { context: { userAgent: chrome, userAgentData: { mobile: false } }, type: 'desktop' },
  { context: { userAgent: iphone, device: { type: 'ios', model: 'iPhone16,1' } }, type: 'mobile' },
  { context: { device: { type: 'ios', model: 'iPad14,1' } }, type: 'tablet' },
  { context: { device: { type: 'android' } }, type: 'mobile' },
  { context: { userAgent: chrome, device: { type: 'tv' } }, type: 'tv' },
])('$context is a $type', ({ context, type }) => {
  expect(read(context)['device']).toMatchObject({ type });
});

test('a server has no device', () => {
  expect(read({ library: { name: '@segment/analytics-node' } })).not.toHaveProperty('device');
});

test('a library may be named by a text', () => {
  expect(read({ library: 'analytics-wordpress' })).toEqual({ library: { name: 'analytics-wordpress' } });
});

test("Segment's consent is read where its categories are named as ours", () => {
  const categoryPreferences = { Advertising: false, Analytics: true, Functional: true, constructor: true };
  expect(read({ consent: { categoryPreferences } })['consent']).toEqual({
    analytics: true,
    marketing: false,
    categoryPreferences,
  });
  expect(read({ consent: 'denied' })['consent']).toBe('denied');
});
