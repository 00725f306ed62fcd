import { createHash } from 'node:crypto';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { oneAtATime } from '../../../sdk/test/support/once.ts';
import { buildBrowserCode } from '../../src/demo/build.ts';
import { shop } from '../../src/shop/index.ts';
import { script } from '../../src/shop/script.ts';

let app: FastifyInstance;
beforeAll(async () => {
  await oneAtATime('browser-code', async () => buildBrowserCode(() => {}));
  app = fastify();
  await app.register(script);
  await app.register(shop, { writeKey: 'wk_test' });
});
afterAll(() => app.close());

const get = (url: string, headers: Record<string, string> = {}) => app.inject({ url, headers });

type Described = { url: string; integrity: string };
const described = async (name: string) => {
  const { version, scripts } = (await get('/milepost.json')).json<{
    version: string;
    scripts: Record<string, Described>;
  }>();
  return { version, ...scripts[name]! };
};

test.each(['milepost.js', 'milepost.full.js', 'milepost.survey.js', 'milepost.debug.js'])(
  '%s has an address that never changes, and a hash to pin it by',
  async (name) => {
    const { version, url, integrity } = await described(name);
    const pinned = await get(url);
    const stem = name.slice(0, -3).replaceAll('.', '\\.');
    expect(url).toMatch(new RegExp(`^/${stem}-${version}-[0-9a-f]{12}\\.js$`));
    expect(`sha384-${createHash('sha384').update(pinned.rawPayload).digest('base64')}`).toBe(integrity);
    expect(pinned.headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-type': 'text/javascript; charset=utf-8',
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
    });
    const alias = await get(`/${name}`);
    expect(alias.body).toBe(pinned.body);
    expect(alias.headers['cache-control']).toMatch(/^public, max-age=300,/);
  },
);

test('the core stands for itself in the description', async () => {
  const { url, integrity } = await described('milepost.js');
  expect((await get('/milepost.json')).json<Described>()).toMatchObject({ url, integrity });
});

test.each([
  { accepted: 'gzip, deflate, br, zstd', encoding: 'br', decode: brotliDecompressSync },
  { accepted: 'gzip', encoding: 'gzip', decode: gunzipSync },
  { accepted: 'br;q=0, *;q=0.5', encoding: 'gzip', decode: gunzipSync },
  { accepted: 'identity', encoding: undefined, decode: (body: Buffer) => body },
  { accepted: '', encoding: undefined, decode: (body: Buffer) => body },
])(
  'to a client that takes "$accepted" the script goes as $encoding',
  async ({ accepted, encoding, decode }) => {
    const answer = await get('/milepost.js', { 'accept-encoding': accepted });
    expect(answer.headers['content-encoding']).toBe(encoding);
    expect(answer.headers['vary']).toBe('accept-encoding');
    expect(decode(answer.rawPayload).toString()).toBe((await get('/milepost.js')).body);
  },
);

test('what a browser has already is not sent again', async () => {
  const first = await get('/shop', { 'accept-encoding': 'br' });
  const tag = String(first.headers['etag']);
  const second = await get('/shop', { 'accept-encoding': 'br', 'if-none-match': tag });
  expect({ status: second.statusCode, body: second.body }).toEqual({ status: 304, body: '' });
  // another encoding is another file
  expect((await get('/shop', { 'accept-encoding': 'gzip', 'if-none-match': tag })).statusCode).toBe(200);
});

test('every page of the shop has the snippet with the key, under a policy without unsafe-*', async () => {
  const seen = new Set(['/shop/']);
  for (const path of seen) {
    const page = await get(path);
    expect({ path, status: page.statusCode }).toEqual({ path, status: 200 });
    expect(page.body).toContain('"writeKey":"wk_test"');
    expect(page.body).not.toMatch(/%WRITE_KEY%|\{\{/);
    expect(page.headers['content-security-policy']).toMatch(/script-src 'self' 'sha256-[^']+';/);
    expect(page.headers['content-security-policy']).not.toContain('unsafe');
    for (const [, address = ''] of page.body.matchAll(/(?:href|src)="(\/shop[^"#?]*)/g)) {
      if (address.includes('/assets/')) {
        const asset = await get(address);
        expect({ address, status: asset.statusCode }).toEqual({ address, status: 200 });
        expect(asset.headers['cache-control']).toContain('immutable');
      } else {
        seen.add(address);
      }
    }
  }
  // home, three shelves, twelve things, cart, sign-in, wishlist
  expect(seen.size).toBe(19);
});

test.each(['/shop/nowhere', '/shop/../../package.json', '/shop/%2e%2e/package.json', '/shop/assets/'])(
  'there is nothing at %s',
  async (path) => {
    expect((await get(path)).statusCode).toBe(404);
  },
);
