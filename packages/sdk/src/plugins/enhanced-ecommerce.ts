import type { Free } from './datalayer-entries.ts';

/** Universal Analytics' actions, and GA4's event for each. */
const eventOf: Record<string, string> = {
  detail: 'view_item',
  impressions: 'view_item_list',
  click: 'select_item',
  add: 'add_to_cart',
  remove: 'remove_from_cart',
  checkout: 'begin_checkout',
  purchase: 'purchase',
  refund: 'refund',
  promoView: 'view_promotion',
  promoClick: 'select_promotion',
};

type Action = { actionField?: Free; products?: Free[]; promotions?: Free[] };

/**
 * Translates Universal Analytics' enhanced ecommerce (`{ ecommerce: { purchase: { actionField, products } } }`) into GA4's
 * events, for shops whose data layer still speaks it: `datalayer({ translate: enhancedEcommerce })`. Leaves all else.
 */
export function enhancedEcommerce(entry: unknown): unknown[] {
  const { ecommerce, ...rest } = (entry ?? {}) as { ecommerce?: Record<string, Action | Free[]> };
  const names = Object.keys(ecommerce ?? {}).filter((name) => eventOf[name]);
  if (!ecommerce || !names.length) return [entry];
  return names.map((name) => {
    const value = ecommerce[name]!;
    const { actionField, products, promotions }: Action = Array.isArray(value) ? { products: value } : value;
    const { id, ...fields } = actionField ?? {};
    return {
      ...rest,
      event: eventOf[name],
      ecommerce: {
        currency: ecommerce['currencyCode'],
        transaction_id: id,
        ...fields,
        promotions,
        // the collector knows the other fields of a product by these names
        items: products?.map(({ id, ...product }) => ({ item_id: id, ...product })),
      },
    };
  });
}
