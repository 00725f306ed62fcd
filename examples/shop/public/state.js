import { cents, itemOf } from './catalogue.js';

/**
 * What this browser keeps: a demo shop has no server of its own.
 *
 * @typedef {{ item_id: string, variant: string | null, quantity: number }} Line
 * @typedef {{ id: string | null, lines: Line[] }} Cart
 * @typedef {{ user_id: string, email: string, name: string }} Customer
 * @typedef {{ transaction_id: string, cart_id: string, lines: Line[], value: number, shipping: number, tax: number }} Order
 * @typedef {{ author: string, rating: number, text: string }} OwnReview
 * @typedef {object} State
 * @property {Cart} cart
 * @property {string[]} wishes
 * @property {Customer | null} customer
 * @property {Record<string, string>} names By e-mail: how the customer wants to be called.
 * @property {Order | null} order The last one.
 * @property {Record<string, OwnReview[]>} reviews By item.
 * @property {boolean} isMeasured
 */

const place = 'wayside';

/** @returns {State} */
function empty() {
  return {
    cart: { id: null, lines: [] },
    wishes: [],
    customer: null,
    names: {},
    order: null,
    reviews: {},
    isMeasured: true,
  };
}

/** @returns {State} */
export function read() {
  try {
    const state = { ...empty(), ...JSON.parse(localStorage.getItem(place) ?? '{}') };
    // an item that left the catalogue leaves the carts and the wishlists too
    state.cart.lines = state.cart.lines.filter((/** @type {Line} */ line) => itemOf(line.item_id));
    state.wishes = state.wishes.filter((/** @type {string} */ id) => itemOf(id));
    return state;
  } catch {
    return empty(); // no storage here, or somebody edited it: the shop still shows
  }
}

/**
 * Changes the state and tells whoever shows a part of it.
 * @param {(state: State) => void} change
 */
export function update(change) {
  const state = read();
  change(state);
  try {
    localStorage.setItem(place, JSON.stringify(state));
  } catch {
    // a full or forbidden storage costs the memory of this cart, not the page
  }
  dispatchEvent(new CustomEvent('wayside:state'));
}

/** Calls at once and after every change, by this page or by another tab. @param {(state: State) => void} listener */
export function watch(listener) {
  const tell = () => listener(read());
  addEventListener('wayside:state', tell);
  addEventListener('storage', (event) => event.key === place && tell());
  // a page that comes back from the back/forward cache shows an old cart
  addEventListener('pageshow', (event) => event.persisted && tell());
  tell();
}

/** Puts an item in the cart. The cart gets its id with its first line. @param {Line} added */
export function addLine({ item_id, variant, quantity }) {
  update(({ cart }) => {
    cart.id ??= `cart-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`;
    const line = cart.lines.find((other) => other.item_id === item_id && other.variant === variant);
    if (line) line.quantity += quantity;
    else cart.lines.push({ item_id, variant, quantity });
  });
}

/** Sets how many there are; 0 takes the line out. @param {Line} wanted */
export function setQuantity({ item_id, variant, quantity }) {
  update(({ cart }) => {
    cart.lines = cart.lines.flatMap((line) => {
      if (line.item_id !== item_id || line.variant !== variant) return [line];
      return quantity > 0 ? [{ ...line, quantity }] : [];
    });
  });
}

/** @param {readonly Line[]} lines */
export const countOf = (lines) => lines.reduce((count, line) => count + line.quantity, 0);

/** The value of lines in GA4's sense: price times quantity, without delivery. @param {readonly Line[]} lines */
export const valueOf = (lines) =>
  cents(lines.reduce((sum, line) => sum + (itemOf(line.item_id)?.price ?? 0) * line.quantity, 0));

export const freeDeliveryFrom = 80;

/** @param {string} tier @param {number} value */
export const deliveryPrice = (tier, value) =>
  tier === 'express' ? 9.9 : value >= freeDeliveryFrom ? 0 : 4.9;

/** The VAT inside an amount. @param {number} amount */
export const taxIn = (amount) => cents(amount - amount / 1.19);

/**
 * The customer number of an e-mail address: the same in every browser, as a shop's server would give it.
 * FNV-1a is no secret; it only keeps the demo from using the address itself as the user id.
 * @param {string} email
 */
export function userIdOf(email) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(email.trim().toLowerCase())) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return `customer-${hash.toString(16).padStart(16, '0')}`;
}
