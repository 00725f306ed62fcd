import { describe, expect, test } from 'vitest';
import { addressNotAllowed, guardedLookup, isPublicAddress, targetProblem } from './targets.ts';

test.each([
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '127.0.0.1',
  '127.1.2.3',
  '0.0.0.0',
  '169.254.169.254', // metadata of most clouds
  '100.100.100.200', // of Alibaba's
  '192.0.0.192', // of Oracle's
  '168.63.129.16', // of Azure's
  '224.0.0.1',
  '255.255.255.255',
  '198.18.0.1',
  '203.0.113.9',
  '240.0.0.1',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:a9fe:a9fe',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001::1',
  'fe80::1',
  'fc00::1',
  'fd00:ec2::254',
  'ff02::1',
  '2001:db8::1',
  'localhost',
  '',
])('%s is no address of the internet', (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each(['93.184.216.34', '8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8'])('%s is one', (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

test.each([
  'http://shop.example/hook',
  'ftp://shop.example/hook',
  'https://user:secret@shop.example/hook',
  'https://shop.example/hook#part',
  'https://localhost/hook',
  'https://api.localhost/hook',
  'https://metadata.google.internal/',
  'https://intranet/hook',
  'https://printer.local/',
  'https://127.0.0.1/hook',
  'https://2130706433/hook', // 127.0.0.1 as one number
  'https://0x7f.1/hook',
  'https://127.1/hook',
  'https://[::1]/hook',
  'https://[::ffff:7f00:1]/hook',
  'https://169.254.169.254/latest/meta-data/',
  'shop.example/hook',
])('%s is no target', (url) => {
  expect(targetProblem(url, 'public')).not.toBeNull();
});

test('a target is https to a host of the internet; for tests also http to this machine', () => {
  expect(targetProblem('https://shop.example/hook?of=milepost', 'public')).toBeNull();
  expect(targetProblem('https://shop.example:8443/hook', 'public')).toBeNull();
  expect(targetProblem('http://127.0.0.1:4000/hook', 'any')).toBeNull();
  expect(targetProblem('file:///etc/passwd', 'any')).not.toBeNull();
});

describe('a look-up', () => {
  const answering = (...addresses: string[]) =>
    guardedLookup('public', (_host, _options, callback) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      ),
    );
  const looked = (lookup: ReturnType<typeof guardedLookup>, all: boolean) =>
    new Promise<unknown[]>((resolve) => lookup('shop.example', { all }, (...given) => resolve(given)));

  test('gives out addresses of the internet, in the form that was asked for', async () => {
    const lookup = answering('8.8.8.8', '2606:4700::1111');
    expect(await looked(lookup, false)).toEqual([null, '8.8.8.8', 4]);
    expect(await looked(lookup, true)).toEqual([
      null,
      [
        { address: '8.8.8.8', family: 4 },
        { address: '2606:4700::1111', family: 6 },
      ],
    ]);
  });

  test('is made for every connection: a name that answers otherwise the second time is refused then', async () => {
    const answers = ['8.8.8.8', '127.0.0.1'];
    const lookup = guardedLookup('public', (_host, _options, callback) =>
      callback(null, [{ address: answers.shift()!, family: 4 }]),
    );
    expect(await looked(lookup, false)).toEqual([null, '8.8.8.8', 4]);
    expect((await looked(lookup, false))[0]).toMatchObject({ code: addressNotAllowed });
  });

  test('fails where one of them is of the inside', async () => {
    const [error] = await looked(answering('8.8.8.8', '10.0.0.1'), true);
    expect(error).toMatchObject({ code: addressNotAllowed });
  });
});
