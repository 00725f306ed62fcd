import { itemOf, priceText } from './catalogue.js';
import { html } from './html.js';
import { assets, base, element, toast } from './page.js';
import './shop.js';
import { countOf, freeDeliveryFrom, read, setQuantity, valueOf, watch } from './state.js';
import { changeCart, viewCart } from './tracking.js';

/** @param {import('./state.js').Line} line */
function row(line) {
  const item = itemOf(line.item_id);
  if (!item) return '';
  const name = line.variant ? `${item.name}, ${line.variant}` : item.name;
  return html`<li class="cart-line" data-item="${item.id}" data-variant="${line.variant ?? ''}">
    <img src="${assets}/art/${item.id}.svg" alt="" width="96" height="96" />
    <div>
      <a href="${base}/products/${item.id}">${name}</a>
      <p class="cart-price">${priceText(item.price)} each</p>
    </div>
    <div class="stepper" role="group" aria-label="Quantity of ${name}">
      <button type="button" data-step="-1" aria-label="One less">−</button>
      <output>${line.quantity}</output>
      <button type="button" data-step="1" aria-label="One more">+</button>
    </div>
    <b class="cart-sum">${priceText(item.price * line.quantity)}</b>
    <button class="link-button" type="button" data-remove aria-label="Take out ${name}">Take out</button>
  </li>`;
}

/** @param {import('./state.js').Cart} cart */
function whole({ lines }) {
  if (lines.length === 0)
    return html`<p class="empty">There is nothing in it. <a href="${base}/">See what there is</a>.</p>`;
  const value = valueOf(lines);
  const missing = freeDeliveryFrom - value;
  return html`<ul class="cart-lines">
      ${lines.map(row)}
    </ul>
    <aside class="summary" aria-label="Sum">
      <p class="summary-row">
        <span>${countOf(lines) === 1 ? '1 thing' : `${countOf(lines)} things`}</span>
        <b>${priceText(value)}</b>
      </p>
      <p class="summary-hint">
        ${missing > 0 ? `${priceText(missing)} more and delivery is free.` : 'Delivery is free.'}
      </p>
      <a class="button" href="${base}/checkout">To the checkout</a>
    </aside>`;
}

watch(({ cart }) => {
  const place = element('cart');
  place.innerHTML = String(whole(cart));
  place.removeAttribute('aria-busy');
});

element('cart').addEventListener('click', (event) => {
  const button = /** @type {Element} */ (event.target).closest('button');
  const shown = /** @type {HTMLElement | null} */ (button?.closest('.cart-line'));
  const line = read().cart.lines.find(
    ({ item_id, variant }) =>
      item_id === shown?.dataset['item'] && (variant ?? '') === shown.dataset['variant'],
  );
  if (!button || !line) return;
  const step = button.dataset['step'] ? Number(button.dataset['step']) : -line.quantity;
  // told first, while the cart still has its lines and its id
  changeCart(step > 0 ? 'add_to_cart' : 'remove_from_cart', { ...line, quantity: Math.abs(step) });
  setQuantity({ ...line, quantity: line.quantity + step });
  if (line.quantity + step <= 0) toast(`${itemOf(line.item_id)?.name} is out of your cart.`);

  // the list was drawn anew: keep the keyboard where it was
  const again = `.cart-line[data-item="${line.item_id}"][data-variant="${line.variant ?? ''}"] button[data-step="${step}"]`;
  const next = document.querySelector(again) ?? document.querySelector('.cart-line a, .empty a');
  /** @type {HTMLElement | null} */ (next)?.focus();
});

if (read().cart.lines.length > 0) viewCart();
