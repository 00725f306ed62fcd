import { priceText } from './catalogue.js';
import { html } from './html.js';

const heart = html`<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
  <path d="M12 20.5S3.5 15.4 3.5 9.3A4.6 4.6 0 0 1 12 6.9a4.6 4.6 0 0 1 8.5 2.4c0 6.1-8.5 11.2-8.5 11.2Z" />
</svg>`;

/**
 * The button that puts an item on the wishlist; `wishlist.js` keeps it pressed or not.
 * @param {import('./catalogue.js').Item} item
 */
export const wishButton = (item) =>
  html`<button
    class="wish"
    type="button"
    data-wish="${item.id}"
    aria-pressed="false"
    aria-label="Wishlist: ${item.name}"
  >
    ${heart}
  </button>`;

/**
 * An item in a list, the same from the server and from the browser.
 * @param {import('./catalogue.js').Item} item
 * @param {{ base: string, assets: string, isEager?: boolean }} place
 */
export const card = (item, { base, assets, isEager = false }) =>
  html`<li class="card">
    <a class="card-link" href="${base}/products/${item.id}" data-item="${item.id}">
      <img
        src="${assets}/art/${item.id}.svg"
        alt=""
        width="480"
        height="480"
        loading="${isEager ? 'eager' : 'lazy'}"
      />
      <span class="card-name">${item.name}</span>
      <span class="card-tagline">${item.tagline}</span>
      <span class="card-price">${priceText(item.price)}</span>
    </a>
    ${wishButton(item)}
  </li>`;

const star = html`<svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
  <path d="m12 2.6 2.9 6 6.6.9-4.8 4.6 1.2 6.5-5.9-3.2-5.9 3.2 1.2-6.5L2.5 9.5l6.6-.9Z" />
</svg>`;

/**
 * A star for each point of a rating, drawn, for not every system has the character.
 * @param {number} rating
 */
export const stars = (rating) =>
  html`<p class="rating" role="img" aria-label="${rating} of 5 stars">
    ${[1, 2, 3, 4, 5].map((place) => (place <= rating ? star : html`<i>${star}</i>`))}
  </p>`;

/** The five stars of the review form. */
export const starChoice = [1, 2, 3, 4, 5].map(
  (count) =>
    html`<label>
      <input type="radio" name="rating" value="${count}" required />
      ${star}<span class="visually-hidden">${count === 1 ? '1 star' : `${count} stars`}</span>
    </label>`,
);
