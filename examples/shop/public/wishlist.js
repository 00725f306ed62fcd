import { card } from './card.js';
import { itemOf } from './catalogue.js';
import { html } from './html.js';
import { assets, base, element } from './page.js';
import { tellList } from './shop.js';
import { read, watch } from './state.js';

/** @param {readonly string[]} wishes */
function show(wishes) {
  const wished = wishes.flatMap((id) => itemOf(id) ?? []);
  element('wishes').innerHTML = String(html`${wished.map((item) => card(item, { base, assets }))}`);
  for (const button of document.querySelectorAll('#wishes [data-wish]'))
    button.setAttribute('aria-pressed', 'true');
  element('no-wishes').hidden = wished.length > 0;
}

watch(({ wishes }) => show(wishes));
if (read().wishes.length > 0) tellList(element('wishes'));
