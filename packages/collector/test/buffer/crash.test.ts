import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openLmdbBuffer } from '../../src/buffer/lmdb.ts';

test('what was acked survives kill -9 in the middle of appending and confirming', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'milepost-buffer-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  let acked = 0;
  let confirmed = 0;
  for (let round = 0; round < 4; round += 1) {
    const child = fork(new URL('./appender.ts', import.meta.url), [folder, String(acked)], {
      stdio: 'ignore',
    });
    child.unref();
    let inThisRound = 0;
    child.on('message', (message: { acked?: number; confirmed?: number }) => {
      if (message.acked !== undefined) acked = Math.max(acked, message.acked);
      if (message.confirmed !== undefined) confirmed = Math.max(confirmed, message.confirmed);
      inThisRound += 1;
      if (inThisRound === 150 + round * 37) child.kill('SIGKILL');
    });
    await once(child, 'exit');
    expect(inThisRound).toBeGreaterThan(100);
  }
  const buffer = await openLmdbBuffer({ folder, maxBytes: 64 * 1024 * 1024 });
  const entries = buffer.read(null, { maxEntries: 100_000, maxBytes: 1e9 });
  await buffer.close();
  const found = new Set(entries.map(({ body }) => Number(Buffer.from(body).toString())));
  const missing = [];
  for (let number = confirmed + 1; number <= acked; number += 1) if (!found.has(number)) missing.push(number);
  expect(missing).toEqual([]);
  expect(acked).toBeGreaterThan(400);
}, 30_000);
