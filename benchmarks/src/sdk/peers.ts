import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { say } from '../report.ts';

const folder = join(import.meta.dirname, '..', '..', 'peers');

/** The package that each peer's adapter bundles; its version is the one in benchmarks/peers/package.json. */
const packages: Record<string, string> = {
  plausible: '@plausible-analytics/tracker',
  openpanel: '@openpanel/web',
  snowplow: '@snowplow/browser-tracker',
  segment: '@segment/analytics-next',
  mixpanel: 'mixpanel-browser',
  rudder: '@rudderstack/analytics-js',
  'posthog-slim': 'posthog-js',
  amplitude: '@amplitude/analytics-browser',
};

/** Every peer that can be measured, by the name of its adapter. */
export const peerNames = Object.keys(packages);

/** A peer, bundled with an adapter of a few lines: `bench.start(url)`, `bench.track(mark, filler)`, `bench.identify(id)`. */
export type Peer = { name: string; version: string; code: string };

/** Reads `--peers a,b` or `--peers all`; says which there are if one is unknown. */
export function wantedPeers(option: string | undefined): string[] {
  if (option === undefined) return [];
  const wanted = option === 'all' ? peerNames : option.split(',');
  const unknown = wanted.filter((name) => !peerNames.includes(name));
  if (unknown.length > 0) {
    throw new Error(`no peer is called ${unknown.join(', ')}; there are ${peerNames.join(', ')}`);
  }
  return wanted;
}

/** Installs the peers if they are not (once, some 150 MB) and bundles those that are wanted. */
export async function bundledPeers(names: readonly string[]): Promise<Peer[]> {
  if (names.length === 0) return [];
  installPeers();
  const require = createRequire(join(folder, 'package.json'));
  const esbuild = require('esbuild') as typeof Esbuild;
  const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const peers: Peer[] = [];
  for (const name of names) {
    const code = await bundleOf(esbuild, { name, format: 'iife' });
    peers.push({ name, version: dependencies[packages[name] ?? ''] ?? 'unknown', code });
  }
  return peers;
}

/** The smallest bundle with init, page, track and identify that a page would load: parts loaded on demand are left out. */
export async function smallestBundles(names: readonly string[]): Promise<Peer[]> {
  if (names.length === 0) return [];
  const peers = await bundledPeers(names);
  const esbuild = createRequire(join(folder, 'package.json'))('esbuild') as typeof Esbuild;
  return Promise.all(
    peers.map(async (peer) => ({
      ...peer,
      code: await bundleOf(esbuild, { name: peer.name, format: 'esm' }),
    })),
  );
}

// What we need of esbuild, which is a dependency of the peers' folder and not of ours.
declare const Esbuild: {
  build(options: Record<string, unknown>): Promise<{ outputFiles: { text: string }[] }>;
};

async function bundleOf(
  esbuild: typeof Esbuild,
  { name, format }: { name: string; format: 'iife' | 'esm' },
): Promise<string> {
  const leaveLazyOut = {
    name: 'lazy',
    setup(bundler: {
      onResolve(filter: object, run: (at: { kind: string; path: string }) => unknown): void;
    }) {
      bundler.onResolve({ filter: /.*/ }, ({ kind, path }) =>
        kind === 'dynamic-import' ? { path, external: true } : undefined,
      );
    },
  };
  const { outputFiles } = await esbuild.build({
    entryPoints: [join(folder, 'adapters', `${name}.js`)],
    bundle: true,
    minify: true,
    write: false,
    format,
    target: 'es2022',
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: [leaveLazyOut],
    ...(format === 'iife' && { globalName: 'bench' }),
  });
  return outputFiles[0]!.text;
}

function installPeers(): void {
  const modules = join(folder, 'node_modules');
  const stamp = join(modules, '.stamp');
  const wanted = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say(`installing ${readdirSync(join(folder, 'adapters')).length} other trackers to compare with (once)`);
  const done = spawnSync(
    process.platform === 'win32' ? 'npm.cmd' : 'npm',
    ['install', '--no-save', '--no-audit', '--no-fund', '--no-update-notifier'],
    { cwd: folder, encoding: 'utf8' },
  );
  if (done.status !== 0) throw new Error(`npm could not install the other trackers:\n${done.stderr}`);
  mkdirSync(modules, { recursive: true });
  writeFileSync(stamp, wanted);
}
