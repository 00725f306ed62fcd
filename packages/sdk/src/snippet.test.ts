import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { snippet, snippetCode } from './snippet.ts';

test('the element holds exactly the code whose hash a policy would name', () => {
  const options = { script: 'https://collect.example/milepost.js', writeKey: 'wk_1' };
  expect(snippet(options)).toBe(`<script>${snippetCode(options)}</script>`);
});

test('no value can end the element', () => {
  const code = snippetCode({ script: '/milepost.js', writeKey: '</script><script>alert(1)</script>' });
  expect(code).not.toMatch(/<\/?script/i);
});

test('it loads the script once and queues calls with their time', () => {
  const added: { src?: string }[] = [];
  const document = {
    createElement: () => ({}),
    head: { appendChild: (element: object) => added.push(element) },
  };
  type Stub = { o: object; q: [[string, unknown[], number]]; addToCart(properties: object): void };
  const window: { milepost?: Stub } = {};
  const code = snippetCode({ script: '/milepost.js', writeKey: 'wk_1', consent: 'pending' });
  runInNewContext(code + code, { window, document, Promise, Date });
  expect(added).toEqual([{ async: 1, src: '/milepost.js' }]);
  const stub = window.milepost!;
  stub.addToCart({ value: 1 });
  expect(stub.o).toEqual({ writeKey: 'wk_1', consent: 'pending' });
  const [name, values, time] = stub.q[0];
  expect([name, [...values]]).toEqual(['addToCart', [{ value: 1 }]]);
  expect(Math.abs(Date.now() - time)).toBeLessThan(1_000);
});

test('the README shows this very text', () => {
  const placeholders = { script: 'https://YOUR-COLLECTOR/milepost.js', writeKey: 'wk_YOUR_WRITE_KEY' };
  expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toContain(snippet(placeholders));
});
