import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

import { builtSdk } from '../../../packages/sdk/test/support/built.ts';
import type { Report } from '../report.ts';
import { smallestBundles } from './peers.ts';

/** What is promised of the files that a page loads; bytes after gzip -9. */
const bars: Record<string, { name: string; below: number }> = {
  'milepost.js': { name: 'sdk_size_core', below: 5_121 },
  'milepost.full.js': { name: 'sdk_size_full', below: 12_289 },
};

/** Bytes of a script as it is, after gzip -9 and after brotli 11. */
export function sizesOf(code: Uint8Array): { raw: number; gzip: number; brotli: number } {
  return {
    raw: code.length,
    gzip: gzipSync(code, { level: 9 }).length,
    brotli: brotliCompressSync(code, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length,
  };
}

/** What a visitor downloads: core, full, every part that can be imported alone; peers as the smallest bundle of theirs. */
export async function size(report: Report, { peers }: { peers: readonly string[] }): Promise<void> {
  const dist = await builtSdk();
  const ofFile = (file: string) => sizesOf(readFileSync(join(dist, file)));
  const bundles = await smallestBundles(peers);
  const others = Object.fromEntries(
    bundles.map(({ name, version, code }) => [name, { version, ...sizesOf(Buffer.from(code)) }]),
  );
  for (const [file, { name, below }] of Object.entries(bars)) {
    if (!existsSync(join(dist, file))) continue;
    const isCore = file === 'milepost.js';
    report.add({
      name,
      figure: ofFile(file).gzip,
      unit: 'bytes, gzip -9',
      bar: { below },
      details: {
        ...ofFile(file),
        ...(isCore && { esm: ofFile('milepost.esm.js'), parts: partsOf(dist) }),
        ...(isCore && { peers: others }),
      },
    });
  }
}

/** What importing a part alone brings, by its name: its own module and the pieces it shares with others. */
function partsOf(dist: string): Record<string, ReturnType<typeof sizesOf>> {
  const files = readdirSync(dist).filter((file) => file.endsWith('.esm.js') && !file.startsWith('milepost'));
  return Object.fromEntries(
    files.map((file) => [
      file.replace('.esm.js', ''),
      sizesOf(Buffer.from(textOf(join(dist, file), new Set()))),
    ]),
  );
}

/** A module and all it imports; what it loads on demand (`import(…)`) is left out. */
function textOf(file: string, seen: Set<string>): string {
  if (seen.has(file)) return '';
  seen.add(file);
  const text = readFileSync(file, 'utf8');
  const imported = [...text.matchAll(/(?:from|import)"(\.{1,2}\/[^"]+)"/g)];
  return imported.map(([, path]) => textOf(join(dirname(file), path!), seen)).join('') + text;
}
