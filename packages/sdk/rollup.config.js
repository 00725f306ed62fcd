import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { minify } from 'terser';
import { snippet } from './src/snippet.ts';

// Names that the core's modules use among themselves and that nobody outside knows become one letter each: worth 170
// bytes of 5,120. The order is one that compresses well. What a page, a plug-in, the browser or the collector knows
// (`track`, `store`, `sent_at`, …) must never stand here.
const ownNames =
  'own outbox lose retry verdicts isRefused forget wipe canSend take enqueue maxBytes prune losses text ' +
  'retryAfterMs waiting inMs wake mayKeep maxEntries inFlight drop whose sentAt update read settle sendNow';
// the loader's own letters are q, o and t
const letters = 'abcdefghiklmnprsuvwxyBFILNTVZ';
const shortNames = Object.fromEntries(ownNames.split(' ').map((name, index) => [`$${name}`, letters[index]]));

/** Shortens those names in the core only: plug-ins have words of their own. */
const shorten = {
  name: 'shorten',
  async transform(code, id) {
    if (id.includes('/plugins/') || id.endsWith('/full.js')) return null;
    const properties = { builtins: true, regex: new RegExp(`^(${ownNames.replaceAll(' ', '|')})$`) };
    const nameCache = { props: { props: { ...shortNames } } };
    return {
      code: (await minify(code, { module: true, compress: false, mangle: { properties }, nameCache })).code,
      map: null,
    };
  },
};

// tsc has compiled and typed; rollup joins.
const minified = {
  name: 'minified',
  async renderChunk(code) {
    const compress = { ecma: 2020, passes: 3, unsafe_arrows: true, unsafe: true, inline: 1 };
    return (await minify(code, { module: true, compress, format: { ecma: 2020, comments: false } })).code;
  },
};

/** Writes the loader with placeholders, so that docs and shops take the very text that is tested. */
const loader = {
  name: 'loader',
  writeBundle() {
    const text = snippet({ script: 'https://YOUR-COLLECTOR/milepost.js', writeKey: 'wk_YOUR_WRITE_KEY' });
    writeFileSync('dist/snippet.html', `${text}\n`);
  },
};

/** What the package exports as modules, by name of the file in `dist`; package.json says it. */
const { exports } = JSON.parse(readFileSync('package.json', 'utf8'));
const modules = Object.fromEntries(
  Object.values(exports)
    .filter(({ types }) => types && existsSync(types.replace('.d.ts', '.js')))
    .map(({ types, import: file }) => [basename(file, '.esm.js'), types.replace('.d.ts', '.js')]),
);
const { milepost, ...parts } = modules;

/** A script for pages without modules. */
const scriptOf = (input, file) => ({
  input: `dist/tsc/${input}.js`,
  output: { file: `dist/${file}`, format: 'iife', inlineDynamicImports: true },
  plugins: [shorten, minified],
});

export default [
  {
    input: milepost,
    output: { file: 'dist/milepost.esm.js', format: 'es' },
    plugins: [shorten, minified, loader],
  },
  // one file each, but what several of them need, and what is loaded when it is needed, lies in `parts`
  {
    input: parts,
    external: ['react', 'vue'],
    output: {
      dir: 'dist',
      format: 'es',
      entryFileNames: '[name].esm.js',
      chunkFileNames: 'parts/[name].esm.js',
    },
    plugins: [minified],
  },
  scriptOf('iife', 'milepost.js'),
  scriptOf('full', 'milepost.full.js'),
  scriptOf('plugins/survey/iife', 'milepost.survey.js'),
  scriptOf('plugins/debug-iife', 'milepost.debug.js'),
];
