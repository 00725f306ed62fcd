import { expect, test } from 'vitest';
import { maskedText, scriptErrorOf } from './errors.ts';

test.each([
  [
    'Chromium',
    'Error: x\n    at buy (https://shop.example/app.js:10:5)\n    at https://shop.example/b.js:1:1',
  ],
  ['Firefox and Safari', 'buy@https://shop.example/app.js:10:5\n@https://shop.example/b.js:1:1'],
  ['an event', 'https://shop.example/app.js:10:5\nundefined'],
  ['a file with a query', 'at https://shop.example/app.js?v=1:2:3&t=secret#part:10:5'],
])('the place is the topmost frame, as %s writes it', (_, stack) => {
  expect(scriptErrorOf('Uncaught Error: x', stack)).toEqual({
    message: 'Error: x',
    file: 'https://shop.example/app.js',
    line: 10,
    column: 5,
  });
});

test('a port is no line', () => {
  expect(scriptErrorOf('x', 'at f (http://localhost:3000/app.js:10:5)')).toMatchObject({
    file: 'http://localhost:3000/app.js',
    line: 10,
  });
});

test('an error without a place is told without one', () => {
  expect(scriptErrorOf('declined', '\nundefined')).toEqual({
    message: 'declined',
    file: '',
    line: 0,
    column: 0,
  });
});

test.each([
  ['Script error.', ''],
  ['Uncaught Script error.', ''],
  ['ResizeObserver loop limit exceeded', ''],
  ['Error: x', 'Error: x\n at f (moz-extension://ab/c.js:1:2)'],
  ['Error: x', 'at f (https://shop.example/app.js:1:1)\n at g (safari-web-extension://ab/c.js:1:2)'],
])('%s is noise', (text, stack) => {
  expect(scriptErrorOf(text, stack)).toBeUndefined();
});

test.each([
  ['no user ada.l+x@mail.shop.example here', 'no user *@* here'],
  ['{"email":"ada@shop.example","id":1}', '{"email":"*@*","id":1}'],
  ['card 4111 1111-1111 1111 declined', 'card * declined'],
  ['call +49 30 1234567', 'call +*'],
  ['HTTP 500 at line 12345', 'HTTP 500 at line 12345'],
])('%s is masked', (text, expected) => {
  expect(maskedText(text)).toBe(expected);
});
