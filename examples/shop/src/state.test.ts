import { beforeEach, expect, test } from 'vitest';

// the browser's part that the state needs; everything else of it is the real thing
const kept = new Map<string, string>();
Object.assign(globalThis, {
  localStorage: {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => void kept.set(name, text),
  },
  dispatchEvent: () => true,
});
const { addLine, countOf, deliveryPrice, read, setQuantity, taxIn, userIdOf, valueOf } =
  await import('../public/state.js');

beforeEach(() => kept.clear());

test('the same thing twice is one line, another size is another', () => {
  addLine({ item_id: 'trail-socks', variant: 'M', quantity: 1 });
  addLine({ item_id: 'trail-socks', variant: 'M', quantity: 2 });
  addLine({ item_id: 'trail-socks', variant: 'L', quantity: 1 });
  const { cart } = read();
  expect(cart.lines.map(({ variant, quantity }) => [variant, quantity])).toEqual([
    ['M', 3],
    ['L', 1],
  ]);
  expect({ count: countOf(cart.lines), value: valueOf(cart.lines) }).toEqual({ count: 4, value: 72 });
});

test('a cart keeps its id while it lasts', () => {
  addLine({ item_id: 'enamel-mug', variant: null, quantity: 1 });
  const { id } = read().cart;
  addLine({ item_id: 'brass-compass', variant: null, quantity: 1 });
  expect(id).toMatch(/^cart-./);
  expect(read().cart.id).toBe(id);
});

test('a line of none is no line', () => {
  addLine({ item_id: 'enamel-mug', variant: null, quantity: 2 });
  setQuantity({ item_id: 'enamel-mug', variant: null, quantity: 0 });
  expect(read().cart.lines).toEqual([]);
});

test('what is kept and unreadable, or no longer sold, is left out', () => {
  kept.set('wayside', '{"cart": nonsense');
  expect(read().cart.lines).toEqual([]);
  kept.set(
    'wayside',
    '{"cart":{"id":"cart-1","lines":[{"item_id":"sold-out","variant":null,"quantity":1}]}}',
  );
  expect(read().cart).toEqual({ id: 'cart-1', lines: [] });
});

test('delivery is free from 80, unless it hurries', () => {
  expect([
    deliveryPrice('standard', 79.99),
    deliveryPrice('standard', 80),
    deliveryPrice('express', 500),
  ]).toEqual([4.9, 0, 9.9]);
  expect(taxIn(119)).toBe(19);
});

test('a customer has one number in every browser, however the address is written', () => {
  expect(userIdOf(' Ada@Wayside.example ')).toBe(userIdOf('ada@wayside.example'));
  expect(userIdOf('ada@wayside.example')).toMatch(/^customer-[0-9a-f]{16}$/);
  expect(userIdOf('ada@wayside.example')).not.toBe(userIdOf('bob@wayside.example'));
});
