import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
let clone: string;

beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'milepost-launcher-'));
  for (const file of [
    '.node-version',
    'pnpm-lock.yaml',
    'pnpm-workspace.yaml',
    'tools/run.mjs',
    'tools/toolchain/package.json',
    'tools/toolchain/package-lock.json',
  ]) {
    cpSync(join(root, file), join(clone, file));
  }
});

afterEach(() => {
  rmSync(clone, { recursive: true, force: true });
});

function launch(args: string[], env: NodeJS.ProcessEnv = {}) {
  const { npm_execpath: _npm, ...inherited } = process.env;
  return spawnSync(process.execPath, [join(clone, 'tools/run.mjs'), ...args], {
    encoding: 'utf8',
    env: { ...inherited, ...env },
  });
}

function hashOf(...files: string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(clone, file))).update('\0');
  return hash.digest('hex');
}

/** As after an installation that brought nothing for this platform. */
function pretendInstalled() {
  mkdirSync(join(clone, 'tools/toolchain/node_modules'), { recursive: true });
  mkdirSync(join(clone, 'node_modules'), { recursive: true });
  writeFileSync(
    join(clone, 'tools/toolchain/node_modules/.stamp'),
    hashOf('tools/toolchain/package-lock.json'),
  );
  writeFileSync(join(clone, 'node_modules/.milepost-stamp'), hashOf('pnpm-lock.yaml', 'pnpm-workspace.yaml'));
}

test('an unreachable registry is told in one sentence', () => {
  const { status, stderr } = launch(['node', '-v'], {
    npm_config_registry: 'http://127.0.0.1:9/',
    npm_config_cache: join(clone, 'cache'),
  });
  expect(status).toBe(1);
  expect(stderr.trimEnd().split('\n').at(-1)).toBe(
    "milepost: the npm registry cannot be reached (ECONNREFUSED); check the network or npm's registry setting, then run the same command again.",
  );
  expect(stderr).not.toMatch(/\n\s+at /);
}, 60_000);

test('without a packaged Node a new enough one of the machine is used', () => {
  pretendInstalled();
  const { status, stdout } = launch(['node', '-v']);
  expect({ status, stdout: stdout.trim() }).toEqual({ status: 0, stdout: process.version });
});

test('without a packaged Node a too old one is told in one sentence', () => {
  writeFileSync(join(clone, '.node-version'), '99.1.0\n');
  pretendInstalled();
  const { status, stderr } = launch(['node', '-v']);
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^milepost: there is no packaged Node for \S+ and Node \S+ is too old; install Node 99\.1\.0 [^\n]+\n$/,
  );
});

test('the exit code and the arguments of the command pass through', () => {
  pretendInstalled();
  const { status, stdout } = launch([
    'node',
    '-e',
    'console.log(process.argv[1]); process.exit(7)',
    'two words',
  ]);
  expect({ status, stdout }).toEqual({ status: 7, stdout: 'two words\n' });
});

test('what npm adds for its own scripts does not reach the command', () => {
  pretendInstalled();
  const { stdout } = launch(
    ['node', '-p', '[process.env.npm_config_prefix, process.env.npm_lifecycle_event].join()'],
    {
      npm_config_prefix: '/nowhere',
      npm_lifecycle_event: 'start',
    },
  );
  expect(stdout.trim()).toBe(',');
});
