import { describe, expect, test } from 'vitest';
import { html } from './html.ts';
import { countText, deedOf, moneyText, spanText, subjectOf, titleOf } from './words.ts';

const nothing = { item: null, item_count: null, term: null, rating: null, score: null, path: null };

describe('what a touchpoint was about', () => {
  test.each([
    { given: {}, subject: '' },
    { given: { path: '/shop' }, subject: '/shop' },
    { given: { path: '/shop', item: 'Mug', item_count: 1 }, subject: 'Mug' },
    { given: { item: 'Mug', item_count: 3 }, subject: 'Mug and 2 more' },
    { given: { path: '/shop', term: 'wool' }, subject: '“wool”' },
    { given: { path: '/shop', rating: '4' }, subject: '4 stars' },
    { given: { path: '/shop', score: '0' }, subject: 'score 0' },
  ])('of $given is "$subject"', ({ given, subject }) => {
    expect(subjectOf({ ...nothing, ...given } as never)).toBe(subject);
  });
});

test.each([
  { name: 'add_to_cart', type: 'track', deed: 'Put in the cart' },
  { name: 'someone@example', type: 'identify', deed: 'Said who they are' },
  { name: 'lamp_switched_on', type: 'track', deed: 'lamp_switched_on' },
])('$name is told as "$deed"', ({ name, type, deed }) => {
  expect(deedOf({ name, type })).toBe(deed);
});

test.each([
  { value: '12.5', currency: 'EUR', text: '€12.50' },
  { value: '1200', currency: 'JPY', text: 'JP¥1,200' },
  { value: '7', currency: null, text: '7' },
  { value: '7', currency: '<b>', text: '7' },
  { value: 'much', currency: 'EUR', text: '' },
  { value: null, currency: 'EUR', text: '' },
])('$value in $currency reads "$text"', ({ value, currency, text }) => {
  expect(moneyText(value, currency)).toBe(text);
});

test.each([
  { seconds: 0, text: '0.0 s' },
  { seconds: 0.26, text: '0.3 s' },
  { seconds: 59.4, text: '59 s' },
  { seconds: 60, text: '1 min' },
  { seconds: 7_200, text: '2 h' },
  { seconds: 172_800, text: '2 d' },
])('$seconds seconds read "$text"', ({ seconds, text }) => {
  expect(spanText(seconds)).toBe(text);
});

test('names and numbers are made for reading', () => {
  expect(titleOf('post_purchase')).toBe('Post purchase');
  expect(countText(1_234_567)).toBe('1,234,567');
});

test('values of a template are text, whatever they hold; its parts are not', () => {
  expect(html`<b title="${'"'}">${`<i>&'`}</b>${[html`<u>1</u>`, 2, null, false]}`.text).toBe(
    '<b title="&quot;">&lt;i&gt;&amp;&#39;</b><u>1</u>2',
  );
});
