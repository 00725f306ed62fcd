import { expect, test } from 'vitest';
import { readConfig } from './config.ts';

const databaseUrl = 'postgres://milepost@localhost/milepost';

test('only the database must be named', () => {
  expect(readConfig({ DATABASE_URL: databaseUrl })).toMatchObject({
    databaseUrl,
    host: '127.0.0.1',
    port: 4000,
    buffer: 'lmdb:.milepost/buffer',
    roles: new Set(['ingest', 'write', 'derive', 'deliver', 'api']),
    logLevel: 'info',
    trustProxy: false,
    metricsToken: undefined,
  });
});

test('every bad variable is named in one sentence', () => {
  const read = () =>
    readConfig({
      DATABASE_URL: 'mysql://localhost',
      PORT: 'http',
      ROLES: 'ingest,dance',
      LOG_LEVEL: 'loud',
      BUFFER_URL: 'redis://localhost',
      METRICS_TOKEN: 'short',
    });
  expect(read).toThrow(expect.objectContaining({ name: 'Refusal' }) as Error);
  for (const name of ['DATABASE_URL', 'PORT', 'ROLES', 'LOG_LEVEL', 'BUFFER_URL', 'METRICS_TOKEN']) {
    expect(read).toThrow(name);
  }
  expect(read).toThrow('ROLES names no such role: dance');
});

test('an empty variable counts as unset', () => {
  expect(readConfig({ DATABASE_URL: databaseUrl, PORT: '', LOG_LEVEL: '' })).toMatchObject({ port: 4000 });
});

test.each([
  { given: 'true', trusted: 1 },
  { given: 'false', trusted: false },
  { given: '2', trusted: 2 },
  { given: '10.0.0.0/8, 127.0.0.1', trusted: ['10.0.0.0/8', '127.0.0.1'] },
])('TRUST_PROXY=$given trusts $trusted', ({ given, trusted }) => {
  expect(readConfig({ DATABASE_URL: databaseUrl, TRUST_PROXY: given }).trustProxy).toEqual(trusted);
});

test('the roles are those named', () => {
  expect(readConfig({ DATABASE_URL: databaseUrl, ROLES: 'ingest, write' }).roles).toEqual(
    new Set(['ingest', 'write']),
  );
});
