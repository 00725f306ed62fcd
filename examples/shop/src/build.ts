import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { snippet } from '@milepost/sdk/snippet';
import { Html } from '../public/html.js';
import { pagesOf } from './pages.ts';

// Builds the shop into dist/: pages as they are served, and its files in a folder named by their content, so that a
// browser may keep them for ever. Whoever serves the pages puts the site's write key where `writeKeyPlace` stands.

const writeKeyPlace = '%WRITE_KEY%';
const base = '/shop';

const here = dirname(import.meta.dirname);
const dist = join(here, 'dist');
const publicFolder = join(here, 'public');
const font = createRequire(import.meta.url).resolve(
  '@fontsource/fraunces/files/fraunces-latin-600-normal.woff2',
);

const hash = createHash('sha256').update(readFileSync(font));
const names = readdirSync(publicFolder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));
for (const name of names.sort()) hash.update(name.slice(here.length)).update(readFileSync(name));
const version = hash.digest('hex').slice(0, 12);

// beside dist at first, so that a server that starts meanwhile sees the old shop or the new one, never half of one
const unfinished = join(here, 'node_modules', '.dist');
rmSync(unfinished, { recursive: true, force: true });
const assets = join(unfinished, 'assets', version);
cpSync(publicFolder, assets, { recursive: true });
cpSync(font, join(assets, 'fraunces.woff2'));

const pages = pagesOf({
  base,
  assets: `${base}/assets/${version}`,
  snippet: new Html(snippet({ script: '/milepost.js', writeKey: writeKeyPlace })),
});
for (const [path, page] of pages) {
  const file = join(unfinished, `${path}.html`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, page);
}

rmSync(dist, { recursive: true, force: true });
renameSync(unfinished, dist);
