/** Event names with a meaning: GA4's recommended ones, and Milepost's own beside them. Any other name is free. */
export const eventNames = [
  // GA4
  'page_view',
  'screen_view',
  'user_engagement',
  'scroll',
  'click',
  'file_download',
  'form_start',
  'form_submit',
  'search',
  'share',
  'login',
  'sign_up',
  'generate_lead',
  'select_content',
  'view_item',
  'view_item_list',
  'select_item',
  'add_to_wishlist',
  'add_to_cart',
  'remove_from_cart',
  'view_cart',
  'begin_checkout',
  'add_shipping_info',
  'add_payment_info',
  'purchase',
  'refund',
  'view_promotion',
  'select_promotion',
  // what the SDK's plug-ins record by themselves, beside GA4's
  'form_abandon',
  'rage_click',
  'dead_click',
  'script_error',
  'web_vitals',
  'page_not_found',
  // carts and orders
  'cart_updated',
  'order_cancelled',
  'order_shipped',
  'order_delivered',
  'store_visit',
  // opinions and referrals
  'review_submitted',
  'review_read',
  'survey_answered',
  'referral_sent',
  'loyalty_joined',
  // support
  'support_ticket_opened',
  'support_call',
  // B2B and subscriptions
  'account_added_user',
  'account_removed_user',
  'onboarding_step_completed',
  'video_viewed',
  'case_study_viewed',
  'compare',
  'pricing_viewed',
  'demo_requested',
  'quote_requested',
  'trial_started',
  'subscription_started',
  'subscription_renewed',
  // acts of the brand
  'email_sent',
  'email_delivered',
  'email_opened',
  'email_clicked',
  'email_bounced',
  'push_sent',
] as const;
/** One of {@link eventNames}. */
export type EventName = (typeof eventNames)[number];

/** Segment's names, and the canonical name each one means. */
export const eventAliases: Readonly<Record<string, EventName>> = {
  'Products Searched': 'search',
  'Product List Viewed': 'view_item_list',
  'Product Clicked': 'select_item',
  'Product Viewed': 'view_item',
  'Product Added': 'add_to_cart',
  'Product Removed': 'remove_from_cart',
  'Wishlist Product Added to Cart': 'add_to_cart',
  'Product Added to Wishlist': 'add_to_wishlist',
  'Product Shared': 'share',
  'Product Reviewed': 'review_submitted',
  'Promotion Viewed': 'view_promotion',
  'Promotion Clicked': 'select_promotion',
  'Cart Viewed': 'view_cart',
  'Cart Shared': 'share',
  'Checkout Started': 'begin_checkout',
  'Payment Info Entered': 'add_payment_info',
  'Order Completed': 'purchase',
  'Order Refunded': 'refund',
  'Order Cancelled': 'order_cancelled',
  'Signed In': 'login',
  'Signed Up': 'sign_up',
  'Account Added User': 'account_added_user',
  'Account Removed User': 'account_removed_user',
  'Trial Started': 'trial_started',
  // GA4's older and other spellings
  'Page Viewed': 'page_view',
  ecommerce_purchase: 'purchase',
  view_search_results: 'search',
};

/** Properties of ecommerce events that Segment calls otherwise, and GA4's name of each. */
export const propertyAliases: Readonly<Record<string, string>> = {
  order_id: 'transaction_id',
  revenue: 'value',
  products: 'items',
  query: 'search_term',
  list_id: 'item_list_id',
  shipping_method: 'shipping_tier',
  payment_method: 'payment_type',
  review_body: 'text',
};

/** Fields of a product in Segment's words, and GA4's name of each in `items[]`. `sku` counts where no id is given. */
export const itemAliases: Readonly<Record<string, string>> = {
  product_id: 'item_id',
  sku: 'item_id',
  name: 'item_name',
  variant: 'item_variant',
  brand: 'item_brand',
  category: 'item_category',
  position: 'index',
};

/** Events whose properties are read with {@link propertyAliases}, {@link itemAliases} and {@link amountProperties}. */
export const ecommerceEvents: ReadonlySet<string> = new Set<EventName>([
  'search',
  'view_item',
  'view_item_list',
  'select_item',
  'add_to_wishlist',
  'add_to_cart',
  'remove_from_cart',
  'view_cart',
  'cart_updated',
  'begin_checkout',
  'add_shipping_info',
  'add_payment_info',
  'purchase',
  'subscription_started',
  'refund',
  'order_cancelled',
  'order_shipped',
  'order_delivered',
  'review_submitted',
]);

/** Events about one product, whose fields Segment writes beside the other properties instead of in a list. */
export const singleProductEvents: ReadonlySet<string> = new Set<EventName>([
  'view_item',
  'select_item',
  'add_to_wishlist',
  'add_to_cart',
  'remove_from_cart',
]);

/** Properties of ecommerce events that are numbers, also when they come as text. */
export const amountProperties: readonly string[] = [
  'value',
  'total',
  'tax',
  'shipping',
  'discount',
  'rating',
  'scale',
];

/** Fields of an item that are numbers, also when they come as text. */
export const amountFields: readonly string[] = ['price', 'quantity', 'discount', 'index'];

const namesOfTypes: Readonly<Record<string, string>> = {
  page: 'page_view',
  screen: 'screen_view',
  identify: 'identify',
  group: 'group',
  alias: 'alias',
};

const canonicalByPlain = new Map(Object.entries(eventAliases).map(([alias, name]) => [plain(alias), name]));
const canonicalByName = new Map<string, string>();

/** `Order Completed`, `order completed` and `order_completed` are one spelling. */
function plain(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_-]+/g, '_');
}

/**
 * The canonical name of an event: `purchase` for Segment's `Order Completed`, in any of its spellings. Types other
 * than `track` have a name of their own. A name that is no alias is itself.
 */
export function canonicalName(name: string, type = 'track'): string {
  if (type !== 'track') return namesOfTypes[type] ?? name;
  const known = canonicalByName.get(name);
  if (known !== undefined) return known;
  const found = canonicalByPlain.get(plain(name)) ?? name.trim();
  // Names come from outside, so what is remembered of them is bounded.
  if (canonicalByName.size >= 10_000) canonicalByName.clear();
  canonicalByName.set(name, found);
  return found;
}

const typesOfNames = new Map(Object.entries(namesOfTypes).map(([type, name]) => [name, type]));

/** The type of a touchpoint that names none: `page` for a `page_view`, `identify` for an `identify`, else `track`. */
export function typeOf(name: string | null | undefined, type: string | null | undefined): string {
  return type ?? typesOfNames.get(name ?? '') ?? 'track';
}
