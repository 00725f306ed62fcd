import { type Draw, hostileBody, type HostileRequest } from './hostile.ts';

/** Texts for a place in an address, as they stand there. */
const texts: readonly string[] = [
  '',
  '%00',
  '%FF%FE',
  '%ED%A0%80',
  '%',
  '..%2F..%2Fetc%2Fpasswd',
  "';drop%20table%20store.touchpoints;--",
  "'%20or%201=1--",
  '%24%7Bjndi:ldap://x%7D',
  '__proto__',
  'constructor',
  '-1',
  '0',
  '1e400',
  '99999999999999999999',
  'NaN',
  'null',
  '9999-99-99',
  '7b0d3f6e-4c7a-8d2e-9f10-5a6b7c8d9e0f',
  'eyJhIjoxfQ',
  '%F0%9F%92%A9',
  '%E2%80%AE',
];

const parameters = [
  'limit',
  'cursor',
  'since',
  'until',
  'user_id',
  'anonymous_id',
  'stage',
  'k',
  't',
  'types',
];
const read: readonly string[] = [
  '/v1/pixel.gif',
  '/v1/click',
  '/v1/me',
  '/v1/persons',
  '/v1/persons/:',
  '/v1/persons/:/transitions',
  '/v1/stages',
  '/v1/stages/:/persons',
  '/v1/transitions',
  '/v1/changes',
  '/v1/carts',
  '/v1/orders',
  '/v1/accounts',
  '/v1/accounts/:',
  '/v1/webhooks/:/deliveries',
  '/v1/webhooks/:/deliveries/:',
  '/:',
];
const written: readonly string[] = [
  '/v1/links',
  '/v1/rates',
  '/v1/webhooks',
  '/v1/webhooks/:/ping',
  '/v1/persons/:/merge',
  '/v1/persons/:/unmerge',
];

/** A question to the API, or an order of it, that nobody in his senses asks. */
export function hostileQuestion(draw: Draw, key: string): HostileRequest {
  const isRead = draw(4) > 0;
  const routes = isRead ? read : written;
  let url = routes[draw(routes.length)]!.replaceAll(':', () => textOf(draw));
  for (let more = draw(3); more > 0; more -= 1) {
    url += `${url.includes('?') ? '&' : '?'}${parameters[draw(parameters.length)]}=${textOf(draw)}`;
  }
  return {
    method: isRead ? 'GET' : 'POST',
    url,
    headers: draw(20) > 0 ? { authorization: `Bearer ${key}` } : {},
    body: isRead ? Buffer.alloc(0) : hostileBody(draw),
    isCut: false,
  };
}

function textOf(draw: Draw): string {
  return draw(100) === 0 ? 'x'.repeat(draw(15_000)) : texts[draw(texts.length)]!;
}
