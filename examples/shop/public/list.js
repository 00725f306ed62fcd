import { tellList } from './shop.js';

for (const list of document.querySelectorAll('[data-list]')) tellList(/** @type {HTMLElement} */ (list));
