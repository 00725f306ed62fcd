import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DemoState } from '../../src/demo/state.ts';
import { run } from '../support/program.ts';

const program = fileURLToPath(new URL('../../src/demo/start.ts', import.meta.url));

let folder: string;
let started: Demo[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'milepost-demo-'));
  chmodSync(folder, 0o700); // as root, PostgreSQL's own user cannot enter it
  started = [];
});

afterEach(async () => {
  for (const demo of started) await demo.stop();
  rmSync(folder, { recursive: true, force: true });
});

type Demo = { child: ChildProcess; output: () => string; stop: () => Promise<void> };

function environment(more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { DATABASE_URL: _none, ...env } = process.env;
  return { ...env, MILEPOST_FOLDER: folder, PORT: '0', ...more };
}

/** Starts the demo and waits until it says that it is ready. */
async function start(): Promise<Demo> {
  const child = spawn(process.execPath, [program], {
    env: environment({}),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const ended = once(child, 'exit');
  const demo = {
    child,
    output: () => text,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await ended;
    },
  };
  started.push(demo);
  const isReady = new Promise<void>((resolve, reject) => {
    const onText = (part: string) => {
      text += part;
      if (text.includes('Milepost is ready')) resolve();
    };
    child.stdout.setEncoding('utf8').on('data', onText);
    child.stderr.setEncoding('utf8').on('data', onText);
    void ended.then(() => reject(new Error(`the demo ended early:\n${text}`)));
  });
  await isReady;
  return demo;
}

function state(): DemoState {
  return JSON.parse(readFileSync(join(folder, 'demo.json'), 'utf8')) as DemoState;
}

async function isRunning(databaseUrl: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: databaseUrl });
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end();
  }
}

test('the demo serves from a folder that only its owner can enter, refuses a second one there, and keeps its site', async () => {
  const first = await start();
  const { url, database_url: databaseUrl, ...site } = state();
  expect(first.output()).toContain(`${url}/shop`);
  expect(statSync(join(folder, 'demo.json')).mode & 0o777).toBe(0o600);
  const second = await run(process.execPath, [program], { env: environment({}) });
  expect(second).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /^milepost: the demo of this folder is running already at http[^\n]+\n$/,
    ) as string,
  });
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  await first.stop();
  expect(first.child.exitCode).toBe(0);
  expect(await isRunning(databaseUrl)).toBe(false);

  await start();
  expect(state()).toMatchObject(site);
}, 60_000);

test('after kill -9 of the demo, the next start takes over its PostgreSQL', async () => {
  const first = await start();
  const { database_url: databaseUrl } = state();
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  expect(await isRunning(databaseUrl)).toBe(true);

  const second = await start();
  expect(state().database_url).toBe(databaseUrl);
  await second.stop();
  expect(await isRunning(databaseUrl)).toBe(false);
}, 60_000);

test('a taken port is told before anything starts', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const ended = await run(process.execPath, [program], { env: environment({ PORT: `${port}` }) });
  holder.close();
  expect(ended).toMatchObject({
    code: 1,
    stdout: '',
    stderr: `milepost: port ${port} is taken by another program; set PORT to a free one, as in PORT=${port + 1} npm start.\n`,
  });
});

test('data of a newer PostgreSQL, and of a newer Milepost, is refused in one sentence and left as it is', async () => {
  const first = await start();
  const client = new pg.Client({ connectionString: state().database_url });
  await client.connect();
  await client.query(
    `insert into store.migrations (number, name, checksum) values (9999, '9999_future.sql', '')`,
  );
  await client.end();
  await first.stop();
  const newer = await run(process.execPath, [program], { env: environment({}) });
  expect(newer).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^milepost: the data belongs to a newer Milepost [^\n]+\n$/) as string,
  });

  const version = join(folder, 'postgres', 'PG_VERSION');
  writeFileSync(version, '99\n');
  const newest = await run(process.execPath, [program], { env: environment({}) });
  expect(newest).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /^milepost: the data in \S+ belongs to a newer Milepost \(PostgreSQL 99, [^\n]+\n$/,
    ) as string,
  });
  writeFileSync(version, '18\n');
}, 60_000);

test('with DATABASE_URL set, no PostgreSQL is started', async () => {
  const ended = await run(process.execPath, [program], {
    env: environment({ DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c' }),
  });
  expect(ended).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^milepost: PostgreSQL at 127\.0\.0\.1:1 does not answer/) as string,
  });
  expect(ended.stdout).not.toContain('starting PostgreSQL');
});

test('a signal while the demo is starting leaves nothing running', async () => {
  const child = spawn(process.execPath, [program], {
    env: environment({}),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const text of child.stdout.setEncoding('utf8')) {
    if (`${text}`.includes('starting PostgreSQL')) break;
  }
  child.kill('SIGTERM');
  await once(child, 'exit');
  expect(existsSync(join(folder, 'postgres', 'postmaster.pid'))).toBe(false);
}, 60_000);
