import fc from 'fast-check';
import { expect, test } from 'vitest';
import { idOf, isAmong, tokenOf, withoutToken, withToken } from './linker-token.ts';

const id = '0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
const moment = { seconds: 1_795_000_000, browser: 'Mozilla/5.0 Chrome/156de-DE' };
const token = tokenOf(id, moment);

test.each([
  { when: 'at once', change: {}, taken: true },
  { when: 'after two minutes', change: { seconds: moment.seconds + 120 }, taken: true },
  { when: 'a second later', change: { seconds: moment.seconds + 121 }, taken: false },
  { when: 'before it was made', change: { seconds: moment.seconds - 1 }, taken: false },
  {
    when: 'by a browser with another user agent',
    change: { browser: 'Mozilla/5.0 Firefox/150de-DE' },
    taken: false,
  },
  {
    when: 'by a browser with another language',
    change: { browser: 'Mozilla/5.0 Chrome/156en-GB' },
    taken: false,
  },
])('a token that is read $when is taken: $taken', ({ change, taken }) => {
  expect(idOf(token, { ...moment, ...change, maxAge: 120 })).toBe(taken ? id : undefined);
});

test('a token with one letter changed is refused', () => {
  fc.assert(
    fc.property(
      fc.nat(token.length - 1),
      fc.constantFrom(...'0123456789abcdefghijklmnopqrstuvwxyz.-_'.split('')),
      (at, letter) => {
        const changed = token.slice(0, at) + letter + token.slice(at + 1);
        expect(idOf(changed, { ...moment, maxAge: 120 })).toBe(changed === token ? id : undefined);
      },
    ),
  );
});

test('what is no token is refused', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(idOf(text, { ...moment, maxAge: 120 })).toBeUndefined();
    }),
  );
});

test.each([
  { url: 'https://pay.example/', linked: 'https://pay.example/?_mp=T' },
  { url: 'https://pay.example/a?b=%20c&d', linked: 'https://pay.example/a?b=%20c&d&_mp=T' },
  { url: 'https://pay.example/#/route?x=1', linked: 'https://pay.example/?_mp=T#/route?x=1' },
  { url: 'https://pay.example/?a=1#b', linked: 'https://pay.example/?a=1&_mp=T#b' },
])('$url keeps every letter around the token', ({ url, linked }) => {
  expect(withToken(url, 'T')).toBe(linked);
  expect(withToken(linked, 'U')).toBe(linked.replace('=T', '=U'));
  expect(withoutToken(linked)).toEqual({ url, token: 'T' });
  expect(withoutToken(url)).toEqual({ url, token: undefined });
});

test('the token is removed from anywhere in the query, however often it is there, and not from the hash', () => {
  expect(withoutToken('https://a.example/?_mp=1&x=2&_mp=3&y#_mp=4')).toEqual({
    url: 'https://a.example/?x=2&y#_mp=4',
    token: '3',
  });
});

test('a host is known by its own name and by those below it', () => {
  expect(
    ['pay.example', 'eu.pay.example', 'notpay.example', 'example'].map((host) =>
      isAmong(['pay.example'], host),
    ),
  ).toEqual([true, true, false, false]);
});
