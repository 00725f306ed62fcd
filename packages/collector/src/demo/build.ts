import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

// What a build reads and what it writes, by package.
const packages = [
  { folder: 'packages/sdk', sources: ['packages/sdk', 'packages/shared'] },
  { folder: 'examples/shop', sources: ['examples/shop', 'packages/sdk'] },
];

/** Builds the snippet and the shop where their sources changed since the last build. */
export function buildBrowserCode(say: (line: string) => void): void {
  for (const { folder, sources } of packages) {
    const stamp = join(root, folder, 'dist', '.stamp');
    const wanted = hashOf(sources);
    if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) continue;
    say(`building ${folder}`);
    const done = spawnSync('pnpm', ['--dir', join(root, folder), 'run', 'build'], {
      encoding: 'utf8',
      shell: process.platform === 'win32',
    });
    if (done.status !== 0) {
      throw new Error(`the build of ${folder} failed\n${done.stdout ?? ''}${done.stderr ?? ''}`, {
        cause: done.error,
      });
    }
    writeFileSync(stamp, wanted);
  }
}

function hashOf(folders: string[]): string {
  const hash = createHash('sha256');
  for (const folder of folders) {
    for (const file of filesIn(join(root, folder)).sort())
      hash.update(file).update(readFileSync(join(root, folder, file)));
  }
  return hash.digest('hex');
}

function filesIn(folder: string, under = ''): string[] {
  return readdirSync(join(folder, under), { withFileTypes: true }).flatMap((entry) => {
    const path = join(under, entry.name);
    if (['node_modules', 'dist', 'test'].includes(entry.name) || entry.name.endsWith('.test.ts')) return [];
    return entry.isDirectory() ? filesIn(folder, path) : [path];
  });
}
