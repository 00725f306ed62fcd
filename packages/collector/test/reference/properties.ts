import { amountOf, one, times, type Amount } from './amounts.ts';
import type { Json, JsonObject, Touchpoint } from './inputs.ts';

/** Text of an id or name; numbers are read as their text, blank counts as missing. */
export function textIn(object: JsonObject | null, ...keys: string[]): string | null {
  for (const key of keys) {
    const value = object?.[key];
    if (typeof value === 'string' && value.trim() !== '') return value;
    if (typeof value === 'number') return String(value);
  }
  return null;
}

export function objectIn(object: JsonObject | null, key: string): JsonObject | null {
  const value = object?.[key];
  return isObject(value) ? value : null;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What one touchpoint says about one product. */
export type Item = { product: string; variant: string; quantity: Amount; price: Amount | null };

/** The list of products a touchpoint carries; null when it carries none (GA4's `items`, Segment's `products`). */
export function itemsOf(touchpoint: Touchpoint): Item[] | null {
  const list = touchpoint.properties?.['items'] ?? touchpoint.properties?.['products'];
  if (Array.isArray(list)) return list.filter(isObject).flatMap(itemOf);
  return null;
}

/** The products of an add or remove: its list, else the one that stands in the properties themselves. */
export function itemsOrSelf(touchpoint: Touchpoint): Item[] {
  return itemsOf(touchpoint) ?? (touchpoint.properties ? itemOf(touchpoint.properties) : []);
}

function itemOf(object: JsonObject): Item[] {
  const product = textIn(object, 'item_id', 'product_id', 'sku', 'item_name', 'name');
  if (product === null) return [];
  return [
    {
      product,
      variant: textIn(object, 'item_variant', 'variant') ?? '',
      quantity: amountOf(object['quantity']) ?? one,
      price: amountOf(object['price']),
    },
  ];
}

/** Σ price × quantity over the items with a price; null when none has one. */
export function sumOf(items: Item[] | null): Amount | null {
  const priced = (items ?? []).filter((item) => item.price !== null);
  if (priced.length === 0) return null;
  return priced.reduce((sum, item) => sum + times(item.price!, item.quantity), 0n);
}

export function currencyOf(touchpoint: Touchpoint): string | null {
  const currency = textIn(touchpoint.properties, 'currency')?.trim().toUpperCase() ?? '';
  return /^[A-Z]{3}$/.test(currency) ? currency : null;
}

export function cartIdOf(touchpoint: Touchpoint): string | null {
  return textIn(touchpoint.properties, 'cart_id');
}
