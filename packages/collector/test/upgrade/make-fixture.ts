/**
 * Makes a fixture of an older version, by that version's own program:
 *
 *     node packages/collector/test/upgrade/make-fixture.ts <checkout of the older commit, installed> <name>
 *
 * Touchpoints of households go through its collector: most are derived, some stand in the queue of derivation, some in the
 * buffer. What is kept in fixtures/<name>: its rows, its migrations, its buffer, and what its clients were answered.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { globSync } from 'node:fs';
import { zstdCompressSync } from 'node:zlib';
import { backup } from '../../src/backup/index.ts';
import { startPostgres } from '../../src/database/embedded.ts';
import { createPool } from '../../src/database/pool.ts';
import { touchpointsOfHouseholds } from '../derive/households.ts';
import { CollectorProcess, freePort } from '../ingest/process.ts';
import { run } from '../support/program.ts';
import type { Said } from './fixture.ts';

const [checkout = '', name = ''] = process.argv.slice(2);
const main = resolve(checkout, 'packages/collector/src/cli/main.ts');
const folder = mkdtempSync(join(tmpdir(), 'milepost-fixture-'));
const target = join(import.meta.dirname, 'fixtures', name);
const postgres = await startPostgres({ folder: join(folder, 'postgres') });
const pool = createPool(postgres.url);
const buffer = join(folder, 'buffer');

async function command(...args: string[]): Promise<string> {
  const ended = await run(process.execPath, [main, ...args], {
    env: { PATH: process.env['PATH'], DATABASE_URL: postgres.url },
  });
  if (ended.code !== 0) throw new Error(`${args.join(' ')}: ${ended.stderr}`);
  return ended.stdout;
}

async function withRoles(roles: string, work: (url: string) => Promise<void>): Promise<void> {
  const port = await freePort();
  const collector = new CollectorProcess({
    databaseUrl: postgres.url,
    folder: buffer,
    port,
    main,
    env: { ROLES: roles },
  });
  await collector.start();
  await work(collector.url);
  await collector.end(roles === 'ingest' ? 'SIGKILL' : 'SIGTERM');
}

const keyOf = async (kind: string): Promise<string> =>
  (JSON.parse(await command('key', 'create', '--site', '1', '--kind', kind, '--json')) as { key: string })
    .key;

try {
  await command('migrate');
  await command('site', 'create', 'Old shop', '--origin', '*');
  const said: Said = {
    writeKey: await keyOf('write'),
    secretKey: await keyOf('secret'),
    stored: [],
    buffered: [],
  };
  const touchpoints = touchpointsOfHouseholds(8);
  const begin = Date.now() - 20 * 86_400_000;
  const first = Math.min(...touchpoints.map(({ at }) => new Date(at).getTime()));
  const events = touchpoints.map(({ at, is_trusted: _, ...event }) => ({
    ...event,
    occurred_at: new Date(begin + new Date(at).getTime() - first).toISOString(),
  }));
  const send = async (url: string, from: number, to: number): Promise<string[]> => {
    const accepted: string[] = [];
    for (let at = from; at < to; at += 20) {
      const response = await fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${said.secretKey}` },
        body: JSON.stringify({ sent_at: Date.now(), batch: events.slice(at, Math.min(at + 20, to)) }),
      });
      const { results } = (await response.json()) as { results: { id: string; status: string }[] };
      accepted.push(...results.filter(({ status }) => status === 'accepted').map(({ id }) => id));
    }
    return accepted;
  };
  const [derived, queued] = [Math.floor(events.length * 0.7), Math.floor(events.length * 0.85)];
  await withRoles('ingest,write,derive', async (url) => {
    said.stored.push(...(await send(url, 0, derived)));
    for (let waiting = 1; waiting > 0; await sleep(200)) {
      const { rows } = await pool.query<{ count: number }>(
        'select (select count(*) from store.batches)::integer + 1 - (select least(count(*), 1) from store.touchpoints)::integer as count',
      );
      waiting = rows[0]!.count;
    }
  });
  await withRoles('ingest,write', async (url) => {
    said.stored.push(...(await send(url, derived, queued)));
  });
  await withRoles('ingest', async (url) => {
    said.buffered.push(...(await send(url, queued, events.length)));
  });

  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  await backup(pool, { file: join(target, 'rows.tar'), waitMs: 0 });
  copyFileSync(join(buffer, 'data.mdb'), join(folder, 'data.mdb'));
  writeFileSync(join(target, 'buffer.mdb.zst'), zstdCompressSync(readFileSync(join(folder, 'data.mdb'))));
  const migrations = resolve(checkout, 'migrations');
  const files = globSync('**/*.{sql,json}', { cwd: migrations }).sort();
  const texts = Object.fromEntries(files.map((file) => [file, readFileSync(join(migrations, file), 'utf8')]));
  writeFileSync(join(target, 'migrations.json.zst'), zstdCompressSync(JSON.stringify(texts)));
  writeFileSync(join(target, 'said.json'), `${JSON.stringify(said, null, 2)}\n`);
  for (const file of globSync('*', { cwd: target }))
    console.log(relative('.', join(target, file)), statSync(join(target, file)).size);
} finally {
  await pool.end();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
