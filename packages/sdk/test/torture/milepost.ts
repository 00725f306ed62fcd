import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { snippet } from '../../src/snippet.ts';
import { builtSdk } from '../support/built.ts';
import type { Tracker } from './pages.ts';

/** Ours, embedded as the docs say: the loader snippet, and the script when it comes. */
export async function milepost(): Promise<Tracker> {
  const dist = await builtSdk();
  const { version } = JSON.parse(readFileSync(join(dist, '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  const glue = `window.bench = {
    track: (mark, filler) => milepost.track('bench', filler ? { mark, filler } : { mark }),
    identify: (id) => milepost.identify(id),
  };`;
  return {
    name: 'milepost',
    version,
    head: ({ url, key }) =>
      `${snippet({ script: '/milepost.js', writeKey: key, host: url })}<script>${glue}</script>`,
    scripts: { '/milepost.js': readFileSync(join(dist, 'milepost.js'), 'utf8') },
  };
}
