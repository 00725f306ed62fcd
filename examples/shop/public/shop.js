import { itemOf } from './catalogue.js';
import { element, toast } from './page.js';
import { countOf, read, update, watch } from './state.js';
import { addToWishlist, measure, selectItem, viewItemList } from './tracking.js';

// What every page does: the header's state, wishlist buttons, lists.

watch(({ cart, customer, wishes, isMeasured }) => {
  const count = countOf(cart.lines);
  const badge = element('cart-count');
  badge.hidden = count === 0;
  badge.textContent = String(count);
  badge.setAttribute('aria-label', count === 1 ? '1 thing' : `${count} things`);
  element('account-link').textContent = customer ? customer.name.split(' ')[0] || 'Account' : 'Sign in';
  for (const button of document.querySelectorAll('[data-wish]')) {
    button.setAttribute(
      'aria-pressed',
      String(wishes.includes(/** @type {HTMLElement} */ (button).dataset['wish'] ?? '')),
    );
  }
  const privacy = element('privacy-toggle');
  privacy.setAttribute('aria-pressed', String(isMeasured));
  privacy.querySelector('b')?.replaceChildren(isMeasured ? 'on' : 'off');
});

element('privacy-toggle').addEventListener('click', () => {
  const isMeasured = !read().isMeasured;
  measure(isMeasured);
  update((state) => (state.isMeasured = isMeasured));
  toast(isMeasured ? 'Your visit is measured again. Thank you.' : 'Your visit is no longer measured.');
});

document.addEventListener('click', (event) => {
  const target = /** @type {Element} */ (event.target);

  const wish = target.closest('[data-wish]');
  const wished = itemOf(wish?.getAttribute('data-wish') ?? '');
  if (wished) {
    const isNew = !read().wishes.includes(wished.id);
    update(
      (state) =>
        (state.wishes = isNew ? [...state.wishes, wished.id] : state.wishes.filter((id) => id !== wished.id)),
    );
    if (isNew) addToWishlist(wished);
    toast(isNew ? `${wished.name} is on your wishlist.` : `${wished.name} is off your wishlist.`);
    return;
  }

  const link = target.closest('a[data-item]');
  const list = link?.closest('[data-list]');
  const item = itemOf(link?.getAttribute('data-item') ?? '');
  if (item && list)
    selectItem(list.getAttribute('data-list') ?? '', list.getAttribute('data-list-name') ?? '', item);
});

/** Tells of a list and what is in it now. @param {HTMLElement} list */
export function tellList(list) {
  const shown = [...list.querySelectorAll('a[data-item]')].flatMap(
    (link) => itemOf(/** @type {HTMLElement} */ (link).dataset['item'] ?? '') ?? [],
  );
  if (shown.length > 0) viewItemList(list.dataset['list'] ?? '', list.dataset['listName'] ?? '', shown);
}
