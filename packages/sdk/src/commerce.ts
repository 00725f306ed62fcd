/** One line of a cart or an order, in GA4's words. A missing quantity is 1. */
export type Item = {
  item_id: string;
  item_name?: string;
  item_brand?: string;
  item_category?: string;
  item_category2?: string;
  item_category3?: string;
  item_category4?: string;
  item_category5?: string;
  item_variant?: string;
  item_list_id?: string;
  item_list_name?: string;
  coupon?: string;
  index?: number;
  price?: number;
  quantity?: number;
  discount?: number;
  affiliation?: string;
  location_id?: string;
  promotion_id?: string;
  promotion_name?: string;
  creative_name?: string;
  creative_slot?: string;
  [key: string]: unknown;
};

type Free = { [key: string]: unknown };
type Money = Free & { currency?: string; value?: number };
type Lines = Money & { items?: Item[] };
type Cart = Lines & { cart_id?: string; coupon?: string };
type List = Free & { item_list_id?: string; item_list_name?: string; items?: Item[] };
type Promotion = Free & {
  promotion_id?: string;
  promotion_name?: string;
  creative_name?: string;
  creative_slot?: string;
  items?: Item[];
};

/** The properties of each helper: GA4's recommended events plus `cart_id`, and Milepost's own beside them. */
export type CommerceEvents = {
  viewItem: Lines;
  viewItemList: List;
  selectItem: List;
  addToWishlist: Lines;
  addToCart: Cart;
  removeFromCart: Cart;
  viewCart: Cart;
  cartUpdated: Cart;
  beginCheckout: Cart;
  addShippingInfo: Cart & { shipping_tier?: string };
  addPaymentInfo: Cart & { payment_type?: string };
  purchase: Cart & {
    transaction_id: string;
    tax?: number;
    shipping?: number;
    affiliation?: string;
    customer_type?: 'new' | 'returning';
  };
  refund: Lines & { transaction_id: string; refund_id?: string };
  viewPromotion: Promotion;
  selectPromotion: Promotion;
  selectContent: Free & { content_type?: string; content_id?: string };
  search: Free & { search_term: string };
  signUp: Free & { method?: string };
  login: Free & { method?: string };
  share: Free & { method?: string; content_type?: string; item_id?: string };
  generateLead: Money;
  reviewSubmitted: Free & { product_id: string; rating: number; scale?: number; text?: string };
  surveyAnswered: Free & {
    survey_id: string;
    wave?: string;
    kind: 'nps' | 'csat' | 'ces';
    score: number;
    /** The highest score there is. */
    scale?: number;
    comment?: string;
  };
};

/** A method for each of them, e.g. `addToCart({ cart_id, currency, value, items })` sends `add_to_cart`. */
export type Commerce = {
  [Name in keyof CommerceEvents]: Free extends CommerceEvents[Name]
    ? (properties?: CommerceEvents[Name]) => void
    : (properties: CommerceEvents[Name]) => void;
};

/** The names of the helpers. The event is the same name in snake case. */
export const commerceNames =
  'viewItem viewItemList selectItem addToWishlist addToCart removeFromCart viewCart cartUpdated beginCheckout addShippingInfo addPaymentInfo purchase refund viewPromotion selectPromotion selectContent search signUp login share generateLead reviewSubmitted surveyAnswered'.split(
    ' ',
  ) as (keyof CommerceEvents)[];

/** The helpers, each a `track` under GA4's name. */
export function commerceOf(track: (name: string, properties?: Record<string, unknown>) => void): Commerce {
  const commerce = {} as Commerce;
  for (const name of commerceNames) {
    commerce[name] = (properties?: Free) => track(name.replace(/[A-Z]/g, '_$&').toLowerCase(), properties);
  }
  return commerce;
}
