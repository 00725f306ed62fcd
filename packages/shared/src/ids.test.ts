import { createHash, createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { identityIdOf, isUuidV7, isWorthlessId, newId, personIdOf, touchpointIdOf } from './ids.ts';

const v7 = '01a20163-965e-7c83-837c-c706267fb9f7';

test('a new id is a UUID v7 of the given instant', () => {
  const id = newId(1_795_319_633_502);
  expect(isUuidV7(id)).toBe(true);
  expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(1_795_319_633_502);
  expect(newId()).not.toBe(newId());
});

test.each([
  { what: 'a UUID v7 is kept', id: v7, expected: { touchpointId: v7, isGiven: true } },
  {
    what: 'a UUID v7 in capitals becomes lower case',
    id: v7.toUpperCase(),
    expected: { touchpointId: v7, isGiven: true },
  },
])('$what', ({ id, expected }) => {
  expect(touchpointIdOf(1, id)).toEqual(expected);
});

test.each([
  { id: 'order-1', time: 0 },
  { id: 'f47ac10b-58cc-4372-a567-0e02b2c3d479', time: 0 },
  { id: '01a20163-965e-8c83-837c-c706267fb9f7', time: 0 },
  { id: 'ajs-next-1795319633502-aa59a935-c982', time: 1_795_319_633_502 },
  { id: 'node-next-1795319633503-a935c982-d5e8-42ec-ab08-ead055edd2dc', time: 1_795_319_633_503 },
  { id: '17953196335021', time: 0 },
  { id: 'x1795319633502', time: 1_795_319_633_502 },
  { id: '0795319633502', time: 0 },
])('$id becomes a UUID v8 of time $time, the site and the text', ({ id, time }) => {
  const { touchpointId, isGiven } = touchpointIdOf(7, id);
  expect(isGiven).toBe(false);
  const hex = touchpointId.replaceAll('-', '');
  expect(touchpointId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(Number.parseInt(hex.slice(0, 12), 16)).toBe(time);
  const rest = createHash('sha256').update(`7:${id}`).digest('hex').slice(0, 20);
  expect(hex.slice(13, 16)).toBe(rest.slice(1, 4));
  expect(hex.slice(17)).toBe(rest.slice(5));
});

test('the same text is another touchpoint at another site', () => {
  expect(touchpointIdOf(1, 'order-1').touchpointId).not.toBe(touchpointIdOf(2, 'order-1').touchpointId);
});

test('an identity is keyed by the start of SHA-256 of type and value', () => {
  const hex = createHash('sha256').update('user_id:Grüße').digest('hex');
  expect(identityIdOf('user_id', 'Grüße').replaceAll('-', '')).toBe(hex.slice(0, 32));
});

test('a person is keyed by the secret: HMAC-SHA-256 as UUID v8', () => {
  const secret = Buffer.alloc(32, 7);
  const hex = createHmac('sha256', secret).update('user_id:ada').digest('hex');
  const id = personIdOf(secret, 'user_id', 'ada');
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(id.replaceAll('-', '').slice(0, 12)).toBe(hex.slice(0, 12));
  expect(id.replaceAll('-', '').slice(17)).toBe(hex.slice(17, 32));
});

test.each([
  '',
  ' ',
  'null',
  'UNDEFINED',
  ' Guest ',
  '[object Object]',
  '0',
  '000',
  '-1',
  '--',
  '0000-0000',
  'NaN',
  '\t',
  '                    null                    ',
  '00000000-0000-0000-0000-000000000000',
  '\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0guest',
])('%j is nobody', (value) => expect(isWorthlessId(value)).toBe(true));

test.each([
  '1',
  'ada',
  '10',
  'guest1',
  'users',
  '-2',
  'null-7',
  '0-0000000000000000000001',
  '[object object] 2',
])('%j is somebody', (value) => expect(isWorthlessId(value)).toBe(false));
