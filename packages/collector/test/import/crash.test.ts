import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { createDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { createSite } from '../support/site.ts';

const lineCount = 40_000;
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

test('an import that is killed goes on where it was, with nothing missing and nothing twice', async () => {
  const database = await createDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'milepost-import-crash-'));
  try {
    const { siteId } = await createSite(database.pool);
    const file = join(folder, 'orders.csv');
    // Many identical lines, which only their number tells apart.
    const lines = Array.from({ length: lineCount }, (_, index) => `u${index % 500},1997-05-05,${index % 7}`);
    writeFileSync(file, `customer,day,paid\n${lines.join('\n')}\n`);
    const args = ['import', file, '--site', String(siteId), '--no-derive', '--json'];
    const mapping = ['name:=purchase', 'user_id=customer', 'occurred_at=day', 'properties.value=paid'];
    const all = [...args, ...mapping.flatMap((map) => ['--map', map])];
    const env = { PATH: process.env['PATH'], DATABASE_URL: database.url };

    const linesDone = async () => {
      const { rows } = await database.pool.query<{ lines_done: number }>(
        'select lines_done::integer as lines_done from store.imports where site_id = $1',
        [siteId],
      );
      return rows[0]?.lines_done ?? 0;
    };
    const killed = spawn(process.execPath, [main, ...all], { env, stdio: 'ignore' });
    while ((await linesDone()) === 0 && killed.exitCode === null) await sleep(5);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    const doneBefore = await linesDone();
    expect(doneBefore).toBeGreaterThan(0);
    expect(doneBefore).toBeLessThan(lineCount);

    const ended = await milepost(all, env);
    expect(ended.stderr).toBe('');
    expect(JSON.parse(ended.stdout)).toMatchObject({
      stored: lineCount,
      duplicates: 0,
      rejected: 0,
      is_finished: true,
      resumed_after_line: expect.any(Number) as number,
    });
    const { rows } = await database.pool.query<{ count: number }>(
      'select count(*)::integer as count from store.touchpoints where site_id = $1',
      [siteId],
    );
    expect(rows).toEqual([{ count: lineCount }]);
  } finally {
    await database.drop();
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
