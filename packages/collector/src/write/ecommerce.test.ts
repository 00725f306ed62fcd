import { expect, test } from 'vitest';
import { canonicalProperties } from './ecommerce.ts';

test.each([
  {
    what: 'an order in Segment’s words',
    name: 'purchase',
    given: {
      order_id: 7,
      revenue: '19.98',
      currency: 'EUR',
      products: [{ product_id: 'p1', name: 'Mug', price: 9.99, quantity: '2', position: 1 }],
    },
    properties: {
      transaction_id: '7',
      value: 19.98,
      currency: 'EUR',
      items: [{ item_id: 'p1', item_name: 'Mug', price: 9.99, quantity: 2, index: 1 }],
    },
  },
  {
    what: 'a value beside a revenue: both stay',
    name: 'purchase',
    given: { transaction_id: 'o1', value: 20, revenue: 18 },
    properties: { transaction_id: 'o1', value: 20, revenue: 18 },
  },
  {
    what: 'a single product',
    name: 'add_to_cart',
    given: {
      cart_id: 'c1',
      product_id: 'p1',
      sku: 's1',
      price: '9.99',
      quantity: 2,
      currency: 'EUR',
      url: '/p1',
    },
    properties: {
      cart_id: 'c1',
      currency: 'EUR',
      url: '/p1',
      items: [{ item_id: 'p1', sku: 's1', price: 9.99, quantity: 2 }],
    },
  },
  {
    what: 'a product known by its sku alone',
    name: 'view_item',
    given: { sku: 's1' },
    properties: { items: [{ item_id: 's1' }] },
  },
  { what: 'a search', name: 'search', given: { query: 'mug' }, properties: { search_term: 'mug' } },
  {
    what: 'a review, which is of a product and holds none',
    name: 'review_submitted',
    given: { product_id: 'p1', rating: '4', review_body: 'good' },
    properties: { product_id: 'p1', rating: 4, text: 'good' },
  },
  { what: 'no items', name: 'view_cart', given: { items: null }, properties: {} },
  { what: 'an emptied cart', name: 'view_cart', given: { items: [] }, properties: { items: [] } },
])('$what', ({ name, given, properties }) => {
  expect(canonicalProperties(name, given)).toEqual({ properties, unread: null });
});

test.each([
  { field: 'quantity', value: -1 },
  { field: 'quantity', value: 'two' },
  { field: 'quantity', value: '0x2' },
  { field: 'price', value: '-0.01' },
  { field: 'price', value: '9,99' },
  { field: 'price', value: 1e15 },
  { field: 'price', value: true },
  { field: 'price', value: {} },
])('$field $value counts as missing and is kept as unread', ({ field, value }) => {
  const given = { items: [{ item_id: 'a', [field]: value }] };
  expect(canonicalProperties('add_to_cart', given)).toEqual({
    properties: { items: [{ item_id: 'a' }] },
    unread: { [`/items/0/${field}`]: value },
  });
});

test('a list of which nothing can be read is missing, not empty', () => {
  expect(canonicalProperties('view_cart', { items: 'mug' })).toEqual({
    properties: {},
    unread: { '/items/0': 'mug' },
  });
});

test('what is canonical already, and every other event, comes back as it is', () => {
  const given = { value: 1, items: [{ item_id: 'a', price: 1 }] };
  expect(canonicalProperties('purchase', given).properties).toBe(given);
  const own = { order_id: 1, products: 'x' };
  expect(canonicalProperties('my_event', own).properties).toBe(own);
});

test('names of Object’s own are no aliases', () => {
  const given: Record<string, unknown> = JSON.parse(
    '{"constructor": 1, "__proto__": {"a": 1}, "order_id": "o"}',
  );
  const { properties } = canonicalProperties('purchase', given);
  expect(JSON.parse(JSON.stringify(properties))).toEqual(
    JSON.parse('{"constructor": 1, "__proto__": {"a": 1}, "transaction_id": "o"}'),
  );
});
