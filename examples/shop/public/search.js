import { card } from './card.js';
import { categories, items } from './catalogue.js';
import { html } from './html.js';
import { assets, base, element } from './page.js';
import { tellList } from './shop.js';
import { search } from './tracking.js';

const term = (new URLSearchParams(location.search).get('q') ?? '').trim();
const words = term
  .toLowerCase()
  .split(/[^\p{L}\p{N}]+/u)
  .filter(Boolean);

/**
 * Every word must begin a word of what the shop says about the item: "rain" finds the jacket, not the full-grain boots.
 * @param {import('./catalogue.js').Item} item
 */
const matches = (item) => {
  const category = categories.find(({ id }) => id === item.category)?.name;
  const text = [item.name, item.tagline, item.description, category, ...item.facts].join(' ').toLowerCase();
  const said = text.split(/[^\p{L}\p{N}]+/u);
  return words.every((word) => said.some((other) => other.startsWith(word)));
};

if (words.length > 0) {
  const found = items.filter(matches);
  for (const input of document.querySelectorAll('input[name="q"]'))
    /** @type {HTMLInputElement} */ (input).value = term;
  element('search-title').textContent = `“${term}”`;
  element('search-count').textContent =
    found.length === 0
      ? 'Nothing. We only have twelve things.'
      : found.length === 1
        ? 'One thing.'
        : `${found.length} things.`;
  element('results').innerHTML = String(html`${found.map((item) => card(item, { base, assets }))}`);
  search(term, found.length);
  tellList(element('results'));
} else {
  element('search-term').focus();
}
