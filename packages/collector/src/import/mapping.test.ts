import { describe, expect, test } from 'vitest';

import { columnsOf, mapper, mappingByNames, parseMapping, withArguments } from './mapping.ts';

function map(fields: object, cells: Record<string, unknown>) {
  return mapper(parseMapping(JSON.stringify({ fields }), 'map.json'))(cells);
}

describe('a mapping', () => {
  test('makes nested fields and list items of flat columns', () => {
    const fields = {
      user_id: 'customer',
      'properties.items[0].item_id': 'sku',
      'properties.items[0].quantity': { column: 'count', type: 'number' },
      'properties.items.1.item_id': { constant: 'gift' },
    };
    expect(map(fields, { customer: '7', sku: 'A-1', count: '3' })).toEqual({
      user_id: '7',
      properties: { items: [{ item_id: 'A-1', quantity: 3 }, { item_id: 'gift' }] },
    });
  });

  test('leaves the field of an empty cell out', () => {
    expect(map({ user_id: 'customer', anonymous_id: 'cookie' }, { customer: '', cookie: 'c' })).toEqual({
      anonymous_id: 'c',
    });
  });

  test.each([
    { type: 'number', cell: '12.50', value: 12.5 },
    { type: 'number', cell: 'twelve', value: 'twelve' },
    { type: 'boolean', cell: 'Yes', value: true },
    { type: 'boolean', cell: '0', value: false },
    { type: 'json', cell: '[1,2]', value: [1, 2] },
    { type: 'epoch_seconds', cell: '1710325274.5', value: 1_710_325_274_500 },
  ])('reads $cell as $type', ({ type, cell, value }) => {
    expect(map({ 'properties.x': { column: 'x', type } }, { x: cell })).toEqual({ properties: { x: value } });
  });

  test('replaces listed cells, keeps others, and null leaves the field out', () => {
    const name = { column: 'event', values: { home: 'page_view', noise: null } };
    expect(map({ name }, { event: 'home' })).toEqual({ name: 'page_view' });
    expect(map({ name }, { event: 'search' })).toEqual({ name: 'search' });
    expect(map({ name }, { event: 'noise' })).toEqual({});
    expect(map({ name: { ...name, otherwise: 'other' } }, { event: 'search' })).toEqual({ name: 'other' });
  });

  test('from the command line goes over the file’s', () => {
    const file = parseMapping(
      '{ "fields": { "user_id": "a", "source": { "constant": "web" } } }',
      'map.json',
    );
    const mapping = withArguments(file, ['user_id=b', 'source:=store', 'properties.n:=5']);
    expect(mapping && mapper(mapping)({ a: '1', b: '2' })).toEqual({
      user_id: '2',
      source: 'store',
      properties: { n: 5 },
    });
  });

  test('is made from the names of columns where none is given', () => {
    const mapping = mappingByNames(['user_id', 'properties.value', 'context', 'Colour']);
    expect(columnsOf(mapping)).toEqual(['user_id', 'properties.value', 'context', 'Colour']);
    expect(
      mapper(mapping)({ user_id: 'u', 'properties.value': '3', context: '{"a":1}', Colour: 'red' }),
    ).toEqual({
      user_id: 'u',
      properties: { value: '3', Colour: 'red' },
      context: { a: 1 },
    });
  });

  test.each([
    { text: 'nonsense', message: 'is not JSON' },
    { text: '{ "fields": { "usr": "a" } }', message: 'no field “usr”' },
    { text: '{ "fields": { "user_id": { "colum": "a" } } }', message: 'fields.user_id' },
  ])('that is wrong is refused with the place: $text', ({ text, message }) => {
    expect(() => parseMapping(text, 'map.json')).toThrow(message);
  });
});
