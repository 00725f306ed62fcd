import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Refusal } from '../refusal.ts';
import { asOwner, type Binaries } from './binaries.ts';

const major = 18;
const user = 'milepost';

/** The data of an embedded server: where it lies and how to log in. */
export type Cluster = { data: string; user: string; password: string; binaries: Binaries };

/**
 * Opens the data folder in `folder`, making it the first time (on disk for good, or `hasty`: for data that need not
 * survive a power cut); a `Refusal` where another PostgreSQL made it.
 */
export function openCluster(folder: string, found: Binaries, pace: 'durable' | 'hasty' = 'durable'): Cluster {
  const data = join(folder, 'postgres');
  const passwordFile = join(folder, 'postgres.password');
  if (!hasVersion(data)) make({ data, passwordFile, pace }, found);
  const version = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim();
  if (Number(version) > major) {
    throw new Refusal(
      `the data in ${folder} belongs to a newer Milepost (PostgreSQL ${version}, this version brings ${major}); update Milepost, or move that folder away.`,
    );
  }
  if (Number(version) < major) {
    throw new Refusal(
      `the data in ${folder} was made by PostgreSQL ${version} and this version brings ${major}; run milepost backup with the older Milepost, move that folder away, and run milepost restore with this one.`,
    );
  }
  return { data, user, password: readFileSync(passwordFile, 'utf8').trim(), binaries: ownedAs(data, found) };
}

/** Whether the folder is a finished one. Throws where this user may not look: then it is, and another user's. */
function hasVersion(data: string): boolean {
  try {
    return statSync(join(data, 'PG_VERSION')).isFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/**
 * The data folder as a server started inside it names it. A user other than ours may not be able to enter the folders
 * above; the link in /proc leads into the working directory without passing through them.
 */
export function dataArgument({ data, binaries }: Pick<Cluster, 'data' | 'binaries'>): string {
  return binaries.owner ? '/proc/self/cwd' : data;
}

/** As root, a folder that an ordinary user made earlier is served as that user. */
function ownedAs(data: string, binaries: Binaries): Binaries {
  if (!binaries.owner) return binaries;
  const { uid, gid } = statSync(data);
  return uid === 0 ? binaries : { ...binaries, owner: { uid, gid } };
}

function make(
  { data, passwordFile, pace }: { data: string; passwordFile: string; pace: 'durable' | 'hasty' },
  binaries: Binaries,
): void {
  // Made beside its place and moved there when done, so an interrupted start leaves nothing half made.
  const unfinished = `${data}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  const password = randomBytes(24).toString('base64url');
  const passing = mkdtempSync(join(tmpdir(), 'milepost-'));
  const passed = join(passing, 'password');
  try {
    writeFileSync(passed, password, { mode: 0o600 });
    for (const path of [unfinished, passing, passed]) giveTo(binaries, path);
    const cluster = { data: unfinished, binaries };
    run(cluster, binaries.initdb, [
      `--pgdata=${dataArgument(cluster)}`,
      `--username=${user}`,
      `--pwfile=${passed}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // the same order and case rules on every machine, whatever locales it has
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      ...(pace === 'hasty' ? ['--no-sync'] : []),
    ]);
    run(
      cluster,
      binaries.postgres,
      ['--single', '-D', dataArgument(cluster), 'postgres'],
      'create database milepost;\n',
    );
  } finally {
    rmSync(passing, { recursive: true, force: true });
  }
  writeFileSync(passwordFile, password, { mode: 0o600 });
  rmSync(data, { recursive: true, force: true });
  renameSync(unfinished, data);
}

function giveTo({ owner }: Binaries, path: string): void {
  if (owner) chownSync(path, owner.uid, owner.gid);
}

function run(
  { data, binaries }: Pick<Cluster, 'data' | 'binaries'>,
  program: string,
  args: string[],
  input = '',
): void {
  const done = spawnSync(program, args, {
    cwd: data,
    input,
    encoding: 'utf8',
    env: {},
    ...asOwner(binaries),
  });
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`${program} failed: ${done.stderr || done.stdout}`);
}
