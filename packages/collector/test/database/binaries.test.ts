import { expect, test } from 'vitest';
import { findBinaries } from '../../src/database/binaries.ts';

test('a platform without a packaged PostgreSQL is told so in one sentence', async () => {
  await expect(findBinaries('sunos', 'sparc')).rejects.toMatchObject({
    name: 'Refusal',
    message:
      'there is no packaged PostgreSQL for sunos-sparc; set DATABASE_URL to a PostgreSQL server (15 or newer) and run the same command again.',
  });
});

test('on this platform the packaged programs start, as another user where we are root', async () => {
  const { postgres, initdb, owner } = await findBinaries();
  expect(postgres).toContain('postgres');
  expect(initdb).toContain('initdb');
  expect(owner === undefined).toBe(process.getuid?.() !== 0);
});
