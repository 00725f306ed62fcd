import {
  amountFields,
  amountProperties,
  ecommerceEvents,
  itemAliases,
  propertyAliases,
  singleProductEvents,
} from '@milepost/shared';
import { readAmount } from './amounts.ts';

type Fields = Record<string, unknown>;

/** Properties in canonical words, and what could not be read in them by JSON pointer (null: nothing). */
export type CanonicalProperties = { properties: Fields; unread: Fields | null };

const aliasOfProperty = new Map(Object.entries(propertyAliases));
const aliasOfField = new Map(Object.entries(itemAliases));
const numericProperties = new Set(amountProperties);
const numericFields = new Set(amountFields);
/** Of these a negative one means nothing; it counts as missing. */
const neverNegative = new Set(['price', 'quantity']);
/** What Segment writes beside the other properties for an event about one product. */
const productFields = new Set([
  ...aliasOfField.keys(),
  ...aliasOfField.values(),
  'price',
  'quantity',
  'coupon',
]);

/**
 * Puts the properties of an ecommerce event into GA4's words and its amounts into numbers, so that SQL reads one
 * form. Where nothing is to do, and for all other events, the object itself comes back.
 */
export function canonicalProperties(name: string, given: Fields): CanonicalProperties {
  if (!ecommerceEvents.has(name)) return { properties: given, unread: null };
  const unread: Fields = {};
  const source = singleProductEvents.has(name) ? gathered(given) : given;
  let properties = source;
  for (const key of Object.keys(source)) {
    const value = source[key];
    const alias = aliasOfProperty.get(key);
    const target = alias !== undefined && source[alias] == null ? alias : key;
    const read =
      target === 'items'
        ? readItems(value, unread)
        : numericProperties.has(target)
          ? readNumber(value, `/${key}`, unread)
          : target === 'transaction_id'
            ? textOf(value)
            : value;
    if (read === value && target === key) continue;
    if (properties === source) properties = { ...source };
    if (target !== key) delete properties[key];
    if (read === undefined) delete properties[target];
    else properties[target] = read;
  }
  return { properties, unread: Object.keys(unread).length > 0 ? unread : null };
}

/** Moves the fields of a single product into `items`. */
function gathered(given: Fields): Fields {
  if (given['items'] != null || given['products'] != null) return given;
  if (given['product_id'] == null && given['sku'] == null && given['item_id'] == null) return given;
  const item: Fields = {};
  const rest: Fields = {};
  for (const key of Object.keys(given)) (productFields.has(key) ? item : rest)[key] = given[key];
  rest['items'] = [item];
  return rest;
}

function readItems(value: unknown, unread: Fields): unknown {
  if (value == null) return undefined;
  const list: unknown[] = Array.isArray(value) ? value : [value];
  const items: Fields[] = [];
  let isChanged = list !== value;
  for (const [index, item] of list.entries()) {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) {
      unread[`/items/${index}`] = item;
      isChanged = true;
      continue;
    }
    const read = readItem(item as Fields, `/items/${index}`, unread);
    if (read !== item) isChanged = true;
    items.push(read);
  }
  // A list of which nothing could be read is missing, not empty: an empty one empties the cart.
  if (items.length === 0 && list.length > 0) return undefined;
  return isChanged ? items : value;
}

function readItem(item: Fields, pointer: string, unread: Fields): Fields {
  let read = item;
  for (const key of Object.keys(item)) {
    const value = item[key];
    const target = targetOf(key, item);
    const field = numericFields.has(target)
      ? readNumber(value, `${pointer}/${key}`, unread)
      : target === 'item_id'
        ? textOf(value)
        : value;
    if (field === value && target === key) continue;
    if (read === item) read = { ...item };
    if (target !== key) delete read[key];
    if (field === undefined) delete read[target];
    else read[target] = field;
  }
  return read;
}

function targetOf(key: string, item: Fields): string {
  const alias = aliasOfField.get(key);
  if (alias === undefined || item[alias] != null) return key;
  return key === 'sku' && item['product_id'] != null ? key : alias;
}

/** The number, or undefined where none can be read; then the value is kept in `unread`. */
function readNumber(value: unknown, pointer: string, unread: Fields): unknown {
  if (value == null) return undefined;
  const amount = readAmount(value);
  const field = pointer.slice(pointer.lastIndexOf('/') + 1);
  if (amount !== null && (amount >= 0 || !neverNegative.has(field))) return amount;
  unread[pointer] = value;
  return undefined;
}

/** Ids of orders and products are compared as text, so 7 and "7" are one. */
function textOf(value: unknown): unknown {
  return typeof value === 'number' ? String(value) : value;
}
