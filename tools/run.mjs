// The launcher: gets the pinned Node and pnpm and every package from the npm registry, then runs a command with them.
// Plain JavaScript for Node >= 20, because it is what a fresh machine runs first.
//   node tools/run.mjs <command> [arguments...]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const toolchain = join(root, 'tools', 'toolchain');
const pinned = readFileSync(join(root, '.node-version'), 'utf8').trim();

/** Stops with one sentence a person can act on. */
function stop(sentence) {
  process.stderr.write(`milepost: ${sentence}\n`);
  process.exit(1);
}

/** The environment without what npm adds for its own scripts; it would leak into pnpm and the servers. */
function cleanEnvironment() {
  const leaked = /^npm_(config_prefix|package_|lifecycle_|command$|execpath$|node_execpath$)/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !leaked.test(name)));
}

function hashOf(...files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

/** Runs an installer quietly; its output is shown only when it fails. */
function install(title, command, args, options) {
  process.stderr.write(`milepost: ${title}\n`);
  const done = spawnSync(command, args, { ...options, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (done.status === 0) return;
  const output = `${done.stdout ?? ''}${done.stderr ?? ''}`;
  if (done.error?.code === 'ENOENT')
    stop(`${command} is not installed; Milepost needs Node 20.19 or newer with npm.`);
  const unreachable =
    /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|ERR_PNPM_META_FETCH_FAIL|error sending request|dns error)\b/i;
  const [reason] = unreachable.exec(output) ?? [];
  if (reason)
    stop(
      `the npm registry cannot be reached (${reason}); check the network or npm's registry setting, then run the same command again.`,
    );
  process.stderr.write(output);
  stop(`${command} ${args[0]} failed; its output is above.`);
}

/**
 * npm, by the file that started us where npm did, so that a shell without npm in PATH works too.
 * @returns {{ command: string, first: string[] }}
 */
function npm() {
  const execpath = process.env['npm_execpath'];
  if (execpath && /npm-cli\.[cm]?js$/.test(execpath)) return { command: process.execPath, first: [execpath] };
  return { command: process.platform === 'win32' ? 'npm.cmd' : 'npm', first: [] };
}

const env = cleanEnvironment();
// With npm's own retries an unreachable registry is told only after a minute and a half.
const retries = { fetch_retries: '1', fetch_retry_mintimeout: '1000', fetch_retry_maxtimeout: '2000' };
const quiet = ['--no-audit', '--no-fund', '--no-update-notifier'];

/** The retries as environment variables of npm (`npm_config_...`) or pnpm (`pnpm_config_...`). */
function retrying(tool) {
  return Object.fromEntries(
    Object.entries(retries).map(([name, value]) => [`${tool}_config_${name}`, value]),
  );
}

function installToolchain() {
  const stamp = join(toolchain, 'node_modules', '.stamp');
  const wanted = hashOf(join(toolchain, 'package-lock.json'));
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  const { command, first } = npm();
  // not `npm ci`: it refuses a lockfile that lacks packages of other systems
  install('installing Node and pnpm (once)', command, [...first, 'install', '--no-save', ...quiet], {
    cwd: toolchain,
    env: { ...env, ...retrying('npm') },
    shell: command === 'npm.cmd',
  });
  writeFileSync(stamp, wanted);
}

/** The folder of the packaged Node where it starts, else of the Node that runs this, if that is new enough. */
function nodeFolder() {
  const isWindows = process.platform === 'win32';
  const name = `node-${isWindows ? 'win' : process.platform}-${process.arch}`;
  const folder = join(toolchain, 'node_modules', name, 'bin');
  const packaged = spawnSync(join(folder, isWindows ? 'node.exe' : 'node'), ['-v'], { encoding: 'utf8' });
  if (packaged.status === 0) return folder;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [needMajor = 0, needMinor = 0] = pinned.split('.').map(Number);
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return dirname(process.execPath);
  return stop(
    `there is no packaged Node for ${process.platform}-${process.arch} and Node ${process.versions.node} is too old; install Node ${pinned} or newer and run the same command again.`,
  );
}

function installWorkspace() {
  const stamp = join(root, 'node_modules', '.milepost-stamp');
  const wanted = hashOf(join(root, 'pnpm-lock.yaml'), join(root, 'pnpm-workspace.yaml'));
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  install('installing packages', 'pnpm', ['install', '--frozen-lockfile'], {
    cwd: root,
    env: { ...env, CI: 'true', ...retrying('pnpm') },
    shell: process.platform === 'win32',
  });
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

const [command, ...args] = process.argv.slice(2);
if (!command) stop('usage: node tools/run.mjs <command> [arguments...]');

installToolchain();
env['PATH'] = [
  nodeFolder(),
  join(toolchain, 'node_modules', '.bin'),
  join(root, 'node_modules', '.bin'),
  process.env['PATH'] ?? '',
].join(delimiter);
installWorkspace();
// Node keeps what it compiled, which takes a third off every start.
env['NODE_COMPILE_CACHE'] ??= join(root, 'node_modules', '.cache', 'node');

const child = spawn(command, args, { cwd: root, env, stdio: 'inherit', shell: process.platform === 'win32' });
// A terminal sends Ctrl-C to the whole group; a signal sent to the launcher alone is passed on.
for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT']) {
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}
// npm passes SIGTERM to its shell only; the shell ends, and we are left to a new parent. (Not so outside npm: there a
// closed terminal must not end what runs in the background.)
if (process.env['npm_lifecycle_event']) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    child.kill('SIGTERM');
  }, 200);
}
child.on('error', (error) => stop(`${command} could not be started: ${error.message}`));
child.on('exit', (code, signal) => {
  process.exit(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1));
});
