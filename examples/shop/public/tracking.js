import { categories, currency, itemOf } from './catalogue.js';
import { read, valueOf } from './state.js';

/**
 * Everything the shop tells Milepost, in GA4's words: the names and shapes a shop that already feeds Google
 * Analytics has at hand. `milepost` is the global of the snippet; its calls wait in a queue until the script is here.
 *
 * @typedef {import('./catalogue.js').Item} Item
 * @typedef {import('./state.js').Line} Line
 * @typedef {object} Milepost
 * @property {(name: string, properties?: Record<string, unknown>) => void} track
 * @property {(userId: string, traits?: Record<string, unknown>) => void} identify
 * @property {() => void} reset
 * @property {(state: 'granted' | 'denied') => void} consent
 */

/** @returns {Milepost} */
const milepost = () => /** @type {{ milepost: Milepost }} */ (/** @type {unknown} */ (globalThis)).milepost;

/** @param {Item} item @param {{ variant?: string | null, quantity?: number, index?: number }} [line] */
const itemEntry = (item, { variant, quantity, index } = {}) => ({
  item_id: item.id,
  item_name: item.name,
  item_brand: 'Wayside',
  item_category: categories.find((category) => category.id === item.category)?.name,
  price: item.price,
  ...(variant ? { item_variant: variant } : {}),
  ...(quantity === undefined ? {} : { quantity }),
  ...(index === undefined ? {} : { index }),
});

/** @param {readonly Line[]} lines */
const entriesOf = (lines) =>
  lines.flatMap((line) => {
    const item = itemOf(line.item_id);
    return item ? [itemEntry(item, line)] : [];
  });

/** What every cart and checkout event carries: which cart, what is in it, what it is worth. */
function cartNow() {
  const { cart } = read();
  return { cart_id: cart.id, currency, value: valueOf(cart.lines), items: entriesOf(cart.lines) };
}

/** @param {string} list @param {string} name @param {readonly Item[]} items */
export const viewItemList = (list, name, items) =>
  milepost().track('view_item_list', {
    item_list_id: list,
    item_list_name: name,
    items: items.map((item, index) => itemEntry(item, { index })),
  });

/** @param {string} list @param {string} name @param {Item} item */
export const selectItem = (list, name, item) =>
  milepost().track('select_item', { item_list_id: list, item_list_name: name, items: [itemEntry(item)] });

/** @param {Item} item */
export const viewItem = (item) =>
  milepost().track('view_item', { currency, value: item.price, items: [itemEntry(item)] });

/** @param {Item} item */
export const addToWishlist = (item) =>
  milepost().track('add_to_wishlist', { currency, value: item.price, items: [itemEntry(item)] });

/**
 * More or less of a line: `add_to_cart` or `remove_from_cart` with the difference, as GA4 wants it.
 * @param {'add_to_cart' | 'remove_from_cart'} name
 * @param {Line} line
 */
export const changeCart = (name, line) =>
  milepost().track(name, {
    cart_id: read().cart.id,
    currency,
    value: valueOf([line]),
    items: entriesOf([line]),
  });

export const viewCart = () => milepost().track('view_cart', cartNow());
export const beginCheckout = () => milepost().track('begin_checkout', cartNow());

/** @param {string} tier */
export const addShippingInfo = (tier) =>
  milepost().track('add_shipping_info', { ...cartNow(), shipping_tier: tier });

/** @param {string} type */
export const addPaymentInfo = (type) =>
  milepost().track('add_payment_info', { ...cartNow(), payment_type: type });

/** @param {import('./state.js').Order} order */
export const purchase = ({ transaction_id, cart_id, lines, value, shipping, tax }) =>
  milepost().track('purchase', {
    transaction_id,
    cart_id,
    currency,
    value,
    tax,
    shipping,
    items: entriesOf(lines),
  });

/** @param {string} term @param {number} count */
export const search = (term, count) =>
  milepost().track('search', { search_term: term, results_count: count });

/**
 * Says who this is, then that they came in.
 * @param {'login' | 'sign_up'} name
 * @param {import('./state.js').Customer} customer
 */
export function welcome(name, { user_id, email, name: customerName }) {
  milepost().identify(user_id, { email, name: customerName });
  milepost().track(name, { method: 'email' });
}

/** Signs out: the next touchpoints are a new visitor's. */
export const farewell = () => milepost().reset();

/** @param {string} productId @param {number} rating @param {string} text */
export const submitReview = (productId, rating, text) =>
  milepost().track('review_submitted', {
    product_id: productId,
    rating,
    scale: 5,
    ...(text ? { text } : {}),
  });

/** @param {string} productId */
export const readReviews = (productId) => milepost().track('review_read', { product_id: productId });

/** @param {string} productId @param {string} method */
export const share = (productId, method) =>
  milepost().track('share', { method, content_type: 'product', item_id: productId });

/** @param {number} score @param {string} transactionId */
export const answerSurvey = (score, transactionId) =>
  milepost().track('survey_answered', {
    survey_id: 'after-order',
    kind: 'nps',
    score,
    transaction_id: transactionId,
  });

/** @param {boolean} isMeasured */
export const measure = (isMeasured) => milepost().consent(isMeasured ? 'granted' : 'denied');
