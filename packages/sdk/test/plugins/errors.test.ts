import { expect, test } from 'vitest';
import { goTo, switchTab, useWatched } from './watched.ts';

const pages = useWatched();

/** Lets a script of the page fail so often. */
const fail = (code: string, times = 1) =>
  `<script>for (let n = 0; n < ${times}; n++) setTimeout(() => { ${code} });</script>`;

test('an error is told once a page, with its place and how often it happened', async () => {
  pages.files.set('/shop.js', 'function buy() {\n  throw new TypeError("no price");\n}');
  const page = await pages.watch({ errors: {} }, `<script src="/shop.js?v=3"></script>${fail('buy()', 3)}`);
  await page.waitForLoadState();
  await pages.leave(page);
  expect(pages.told('script_error')).toEqual([
    {
      message: 'TypeError: no price',
      file: `${pages.url}/shop.js`,
      line: 2,
      column: 9,
      kind: 'error',
      count: 3,
    },
  ]);
});

test('a rejection that nobody handles is told, whatever it was rejected with', async () => {
  pages.files.set(
    '/pay.js',
    '\n\nPromise.reject(new Error("declined"));Promise.reject("a text");Promise.reject();',
  );
  const page = await pages.watch({ errors: {} }, '<script src="/pay.js"></script>');
  await pages.leave(page);
  expect(pages.told('script_error')).toMatchObject([
    {
      message: 'Error: declined',
      file: `${pages.url}/pay.js`,
      line: 3,
      kind: 'unhandledrejection',
      count: 1,
    },
    { message: 'a text', line: 0, kind: 'unhandledrejection' },
  ]);
});

test('a page tells of ten different errors at most, or as many as it is told to', async () => {
  const many = Array.from({ length: 15 }, (_, n) =>
    fail(`throw new Error("number " + "abcdefghijklmno"[${n}])`),
  ).join('');
  const page = await pages.watch({ errors: {} }, many);
  await pages.leave(page);
  expect(pages.told('script_error')).toHaveLength(10);
  pages.sink.reset();
  await pages.leave(await pages.watch({ errors: { max: 2 } }, many));
  expect(pages.told('script_error')).toHaveLength(2);
});

test('e-mail addresses and long numbers in messages are masked, and long messages cut', async () => {
  const page = await pages.watch(
    { errors: {} },
    fail('throw new Error("no customer ada@shop.example with card 4111 1111 1111 1111 " + "x".repeat(500))'),
  );
  await pages.leave(page);
  const [{ message } = {}] = pages.told('script_error');
  expect(message).toMatch(/^Error: no customer \*@\* with card \* x+$/);
  expect(message).toHaveLength(300);
});

test('errors of other origins, of extensions, of images and of ResizeObserver loops are noise', async () => {
  pages.files.set('/foreign.js', 'setTimeout(() => { throw new Error("foreign"); });');
  const foreign = pages.url.replace('127.0.0.1', 'localhost');
  const page = await pages.watch(
    { errors: {} },
    `<img src="/none.png"><script src="${foreign}/foreign.js"></script>`,
  );
  await page.evaluate(() => {
    const error = new Error('mine');
    error.stack = 'Error: mine\n    at f (chrome-extension://abc/content.js:1:2)';
    dispatchEvent(new ErrorEvent('error', { message: 'Uncaught Error: mine', error }));
    dispatchEvent(
      new ErrorEvent('error', { message: 'ResizeObserver loop completed with undelivered notifications.' }),
    );
  });
  await page.waitForLoadState();
  await pages.leave(page);
  expect(pages.told('script_error')).toEqual([]);
});

test('an error belongs to the view it happened in, and what happens after a change of tab is told later', async () => {
  const page = await pages.watch({ errors: {} }, '', { path: '/one' });
  const fail = () => page.evaluate(() => dispatchEvent(new ErrorEvent('error', { message: 'again' })));
  await fail();
  await switchTab(page);
  await fail();
  await fail();
  await switchTab(page);
  await switchTab(page);
  await goTo(pages, page, '/two');
  await fail();
  await pages.leave(page);
  expect(
    pages.sink
      .named('script_error')
      .map(({ context, properties }) => [context.page?.path, properties!['count']]),
  ).toEqual([
    ['/one', 1],
    ['/one', 2],
    ['/two', 1],
  ]);
});
