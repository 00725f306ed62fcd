import { expect, test } from 'vitest';
import { linkEventOf } from './links.ts';

const ownHosts = ['www.shop.example', '.shop.test'];
const eventOf = (address: string) => linkEventOf(new URL(address), { ownHosts });

test.each([
  ['https://shop.example/', undefined],
  ['https://blog.shop.example/', undefined],
  ['https://a.shop.test/', undefined],
  ['https://shop.example.evil.example/', 'shop.example.evil.example'],
  ['https://workshop.example/', 'workshop.example'],
  ['http://127.0.0.1:8080/', '127.0.0.1'],
])('%s lies outside as %s', (address, host) => {
  expect(eventOf(address)?.[1]['link_domain']).toBe(host);
});

test.each([
  ['https://shop.example/a/list.xlsx?x=1', 'xlsx'],
  ['https://cdn.example/list.7z', '7z'],
  ['https://shop.example/a.pdf.html', undefined],
  ['https://shop.example/pdf', undefined],
  ['mailto:ada@mail.zip', undefined],
])('the file ending of %s is %s', (address, ending) => {
  const [name, properties] = eventOf(address) ?? [];
  expect(name === 'file_download' ? properties?.['file_extension'] : undefined).toBe(ending);
});

test.each(['javascript:void 0', 'blob:https://shop.example/1', 'data:text/plain,x', 'about:blank'])(
  '%s is no way out',
  (address) => expect(eventOf(address)).toBeUndefined(),
);

test('without downloads a file elsewhere is a way out', () => {
  const given = { ownHosts, downloads: false } as const;
  expect(linkEventOf(new URL('https://other.example/a.pdf'), given)?.[0]).toBe('click');
});
