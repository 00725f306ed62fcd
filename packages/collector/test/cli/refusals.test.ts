import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDatabase, createEmptyDatabase } from '../support/database.ts';
import { milepost, type Ended } from '../support/program.ts';

/** One line, no stack, exit code 1. */
function expectSentence({ code, stderr }: Ended, sentence: RegExp) {
  expect(stderr).toMatch(/^milepost: [^\n]+\n$/);
  expect(stderr).toMatch(sentence);
  expect(code).toBe(1);
}

test('serve names every bad variable at once', async () => {
  const ended = await milepost(['serve'], { DATABASE_URL: 'nonsense', PORT: '99999', LOG_LEVEL: 'loud' });
  expectSentence(ended, /DATABASE_URL .*PORT .*LOG_LEVEL /);
});

test('serve says that its port is taken', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const db = await createDatabase();
  const buffer = mkdtempSync(join(tmpdir(), 'milepost-port-'));
  try {
    const ended = await milepost(['serve'], {
      DATABASE_URL: db.url,
      PORT: `${port}`,
      BUFFER_URL: `lmdb:${buffer}`,
      LOG_LEVEL: 'silent',
    });
    expectSentence(ended, new RegExp(`port ${port} is taken`));
  } finally {
    holder.close();
    await db.drop();
    rmSync(buffer, { recursive: true, force: true });
  }
});

test('a database without tables says what to do', async () => {
  const db = await createEmptyDatabase();
  try {
    expectSentence(await milepost(['site', 'list'], { DATABASE_URL: db.url }), /run milepost migrate first/);
  } finally {
    await db.drop();
  }
});

test('a server that does not answer, and a wrong password, are told apart', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  const silent = await milepost(['site', 'list'], { DATABASE_URL: `postgres://a:b@127.0.0.1:${port}/c` });
  expectSentence(silent, new RegExp(`127.0.0.1:${port} does not answer`));

  const db = await createDatabase();
  try {
    const wrong = new URL(db.url);
    wrong.password = 'wrong';
    expectSentence(await milepost(['site', 'list'], { DATABASE_URL: wrong.href }), /refused the connection/);
  } finally {
    await db.drop();
  }
});

test('a demo that is not running is told so', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'milepost-stopped-'));
  writeFileSync(join(folder, 'demo.json'), JSON.stringify({ database_url: 'postgres://a:b@127.0.0.1:1/c' }));
  try {
    const ended = await milepost(['site', 'list'], { MILEPOST_FOLDER: folder });
    expectSentence(ended, /the demo of this folder is not running; start it with npm start/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
