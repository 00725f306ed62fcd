import { expect, test } from 'vitest';
import { html } from '../public/html.js';
import { fill } from './fill.ts';

test('two braces take text, three take HTML', () => {
  expect(fill('<p class="{{name}}">{{name}} {{{link}}}</p>', { name: 'a"<b', link: html`<a>x</a>` })).toBe(
    '<p class="a&quot;&lt;b">a&quot;&lt;b <a>x</a></p>',
  );
});

test('text in three braces is still no markup', () => {
  expect(fill('{{{text}}}', { text: '<script>' })).toBe('&lt;script&gt;');
});

test('a name that nobody gives is a mistake', () => {
  expect(() => fill('{{price}}', {})).toThrow('the page wants {{price}}');
});
