import { stars } from './card.js';
import { itemOf } from './catalogue.js';
import { html } from './html.js';
import { base, element, field, form, toast } from './page.js';
import './shop.js';
import { addLine, read, update } from './state.js';
import { changeCart, readReviews, share, submitReview, viewItem } from './tracking.js';

const item = itemOf(form('review').dataset['product'] ?? '');
if (!item) throw new Error('this page is about nothing the shop sells');

viewItem(item);

form('buy').addEventListener('submit', (event) => {
  event.preventDefault();
  const line = {
    item_id: item.id,
    variant: field(form('buy'), 'variant') || null,
    quantity: Math.max(1, Math.trunc(Number(field(form('buy'), 'quantity'))) || 1),
  };
  addLine(line);
  changeCart('add_to_cart', line);
  toast(`${item.name} is in your cart.`, html`<a href="${base}/cart">View the cart</a>`);
});

/** @param {import('./catalogue.js').Item} item */
async function shareItem(item) {
  const shared = { title: item.name, url: location.href.split('#')[0] ?? location.href };
  try {
    if (navigator.share) {
      await navigator.share(shared);
      share(item.id, 'share_sheet');
    } else {
      await navigator.clipboard.writeText(shared.url);
      share(item.id, 'copied_link');
      toast('The link is in your clipboard.');
    }
  } catch {
    toast('Nothing was shared.'); // the share sheet was closed, or the clipboard is forbidden
  }
}
element('share').addEventListener('click', () => void shareItem(item));

element('reviews-read').addEventListener('toggle', () => readReviews(item.id), { once: true });
if (location.hash === '#reviews') /** @type {HTMLDetailsElement} */ (element('reviews-read')).open = true;

/** @param {import('./state.js').OwnReview} review */
const ownReview = ({ author, rating, text }) =>
  html`<li>
    ${stars(rating)}
    <p>${text}</p>
    <p class="review-author">${author}</p>
  </li>`;

function showOwnReviews() {
  for (const review of read().reviews[item?.id ?? ''] ?? []) {
    element('review-list').insertAdjacentHTML('afterbegin', String(ownReview(review)));
  }
}
showOwnReviews();

form('review').addEventListener('submit', (event) => {
  event.preventDefault();
  const rating = Number(field(form('review'), 'rating'));
  const text = field(form('review'), 'text');
  submitReview(item.id, rating, text);
  const review = { author: read().customer?.name || 'You', rating, text };
  update((state) => (state.reviews[item.id] = [...(state.reviews[item.id] ?? []), review]));
  element('review-list').insertAdjacentHTML('afterbegin', String(ownReview(review)));
  /** @type {HTMLDetailsElement} */ (element('reviews-read')).open = true;
  form('review').reset();
  const done = element('review-done');
  done.textContent = 'Thank you for your review.';
  done.hidden = false;
});
