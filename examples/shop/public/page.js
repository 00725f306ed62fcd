/** The element with this id; the page was built with it. @param {string} id @returns {HTMLElement} */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`this page has no #${id}`);
  return found;
}

/** The form with this id. @param {string} id */
export const form = (id) => /** @type {HTMLFormElement} */ (element(id));

/** One field of a form as trimmed text. @param {HTMLFormElement} from @param {string} name */
export const field = (from, name) => /** @type {string} */ (new FormData(from).get(name) ?? '').trim();

/** Where the shop and its files are. */
export const base = document.documentElement.dataset['base'] ?? '';
export const assets = new URL('.', import.meta.url).pathname.replace(/\/$/, '');

/** @type {ReturnType<typeof setTimeout> | undefined} */
let toastTimer;

/** Says a thing in passing, to eyes and screen readers. @param {string} text @param {import('./html.js').Html} [link] */
export function toast(text, link) {
  const place = element('toast');
  place.textContent = text;
  if (link) place.insertAdjacentHTML('beforeend', ` ${link.text}`);
  place.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (place.hidden = true), 5_000);
}
