import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { snippet } from '@milepost/sdk/snippet';

import { builtSdk } from '../../../packages/sdk/test/support/built.ts';
import type { Tracker } from './pages.ts';
import type { Peer } from './peers.ts';

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

/** A peer: its bundle in the head, and a call to start it. */
export function trackerOf({ name, version, code }: Peer): Tracker {
  const path = `/${name}.js`;
  return {
    name,
    version,
    head: ({ url }) => `<script src="${path}"></script><script>bench.start(${JSON.stringify(url)})</script>`,
    scripts: { [path]: code },
  };
}
