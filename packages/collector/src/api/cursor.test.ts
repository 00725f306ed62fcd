import { expect, test } from 'vitest';
import { cursorOf, positionOf } from './cursor.ts';

const scope = { secret: Buffer.alloc(32, 7), list: 'carts' };
const position = ['2026-11-20 09:30:00.123456+00', '0199a5d2-7c00-7000-8000-000000000001'];

test('a cursor stands for its position, and is the same text every time', () => {
  const cursor = cursorOf(position, scope);
  expect(positionOf(cursor, scope)).toEqual(position);
  expect(cursorOf(position, scope)).toBe(cursor);
});

test('a cursor is refused when any character of it was changed', () => {
  const cursor = cursorOf(position, scope);
  for (let index = 0; index < cursor.length; index += 1) {
    const other = cursor[index] === 'A' ? 'B' : 'A';
    const tampered = cursor.slice(0, index) + other + cursor.slice(index + 1);
    expect(() => positionOf(tampered, scope)).toThrow('invalid-cursor');
  }
});

test.each([
  { what: 'empty', cursor: '' },
  { what: 'too short for a seal', cursor: 'abcd' },
  { what: 'with a stray character', cursor: `${cursorOf(position, scope)}=` },
  { what: 'cut short', cursor: cursorOf(position, scope).slice(0, -4) },
  { what: 'not base64url', cursor: '§§§' },
  {
    what: 'a bare position without seal',
    cursor: Buffer.from(JSON.stringify(position)).toString('base64url'),
  },
])('a cursor is refused when it is $what', ({ cursor }) => {
  expect(() => positionOf(cursor, scope)).toThrow('invalid-cursor');
});

test('a cursor opens neither another list nor the same list of another site', () => {
  const cursor = cursorOf(position, scope);
  expect(() => positionOf(cursor, { ...scope, list: 'orders' })).toThrow('invalid-cursor');
  expect(() => positionOf(cursor, { ...scope, secret: Buffer.alloc(32, 8) })).toThrow('invalid-cursor');
});
