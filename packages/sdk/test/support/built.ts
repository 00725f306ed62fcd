import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { oneAtATime } from './once.ts';

const folder = join(import.meta.dirname, '..', '..');

/** Builds the SDK unless `dist` is newer than every source. Gives the folder that holds `milepost.js`. */
export async function builtSdk(): Promise<string> {
  const dist = join(folder, 'dist');
  const timeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' }).map((name) =>
    timeOf(join(folder, 'src', name)),
  );
  const newest = Math.max(...sources, timeOf(join(folder, 'rollup.config.js')));
  await oneAtATime('sdk-build', async () => {
    if (timeOf(join(dist, 'snippet.html')) > newest) return;
    const run = promisify(execFile);
    const bin = (name: string) => join(folder, 'node_modules', '.bin', name);
    await run(bin('tsc'), ['-p', 'tsconfig.build.json', '--noCheck'], { cwd: folder });
    await run(bin('rollup'), ['-c', '--silent'], { cwd: folder });
  });
  return dist;
}
