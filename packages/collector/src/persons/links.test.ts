import { expect, test } from 'vitest';
import { cutsOfIdentity, cutsOfUser, type Link } from './links.ts';

const user = (value: string) => ({ type: 'user_id', value });
const browser = (value: string) => ({ type: 'anonymous_id', value });
const alias = (one: string, other: string): Link => ({ kind: 'alias', one: user(one), other: user(other) });
const share = (one: string, other: string): Link => ({
  kind: 'share',
  one: browser(one),
  other: browser(other),
});
const join = (one: string, other: string): Link => ({ kind: 'join', one: browser(one), other: user(other) });

const named = (links: Link[]) => links.map(({ one, other }) => `${one.value} ${other.value}`);

test.each([
  { of: 'a', aliases: [alias('a', 'b')], cuts: ['a b'] },
  { of: 'b', aliases: [alias('a', 'b'), alias('b', 'c')], cuts: ['b c'] },
  { of: 'a', aliases: [alias('a', 'b'), alias('b', 'c')], cuts: ['a b'] },
  // what was merged into it takes it along
  { of: 'b', aliases: [alias('a', 'b'), alias('a', 'c')], cuts: ['a c'] },
  // said twice
  { of: 'a', aliases: [alias('a', 'b'), alias('a', 'c'), alias('b', 'c')], cuts: ['a b', 'a c'] },
  { of: 'c', aliases: [alias('a', 'b'), alias('b', 'c')], cuts: [] },
])('the user id $of is its own person again without $cuts', ({ of, aliases, cuts }) => {
  expect(named(cutsOfUser(user(of), aliases))).toEqual(cuts);
});

test.each([
  { of: 'a', joins: [join('a', 'u')], shares: [share('a', 'm')], elsewhere: [], cuts: ['a u'] },
  { of: 'a', joins: [], shares: [share('a', 'm'), share('b', 'm')], elsewhere: ['b'], cuts: ['b m'] },
  { of: 'a', joins: [], shares: [share('b', 'm'), share('a', 'm')], elsewhere: ['b'], cuts: ['a m'] },
  {
    of: 'a',
    joins: [],
    shares: [share('a', 'm'), share('a', 'n'), share('b', 'm'), share('b', 'n')],
    elsewhere: ['b'],
    cuts: ['b m', 'b n'],
  },
  { of: 'a', joins: [], shares: [share('a', 'm'), share('b', 'n')], elsewhere: ['b'], cuts: [] },
])('the browser $of is by itself again without $cuts', ({ of, joins, shares, elsewhere, cuts }) => {
  const isElsewhere = (key: string) => elsewhere.some((value) => key === `anonymous_id:${value}`);
  expect(named(cutsOfIdentity(browser(of), { joins, shares, isElsewhere }))).toEqual(cuts);
});
