import { writeFileSync } from 'node:fs';
import { minify } from 'terser';
import { snippet } from './src/snippet.ts';

// Names that the core's modules use among themselves and that nobody outside knows: worth 170 bytes of 5,120.
// What a page, a plug-in, the browser or the collector knows (`track`, `store`, `sent_at`, …) must never stand here.
const ownNames =
  'onHide onShow onFocus onOnline isRestored canSend mayKeep newId inMs isRefused sentAt keepaliveLeft makeDurable ' +
  'retryAfterMs verdicts maxEntries maxBytes inFlight waiting own forget drop prune read losses lose ' +
  'wake retry sendNow outbox post renew wipe update take text isLoaded';

/** Shortens those names in the core only: plug-ins have words of their own. */
const nameCache = {};
const shorten = {
  name: 'shorten',
  async transform(code, id) {
    if (id.includes('/plugins/') || id.endsWith('/full.js')) return null;
    const properties = {
      builtins: true,
      regex: new RegExp(`^(${ownNames.replaceAll(' ', '|')})$`),
      reserved: ['q', 'o', 't'],
    };
    const options = { module: true, compress: false, mangle: { properties }, nameCache };
    return { code: (await minify(code, options)).code, map: null };
  },
};

// tsc has compiled and typed; rollup joins.
const minified = {
  name: 'minified',
  async renderChunk(code) {
    const compress = { ecma: 2020, passes: 3, unsafe_arrows: true, unsafe: true };
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

export default [
  {
    input: 'dist/tsc/index.js',
    output: { file: 'dist/milepost.esm.js', format: 'es' },
    plugins: [shorten, minified],
  },
  {
    input: 'dist/tsc/iife.js',
    output: { file: 'dist/milepost.js', format: 'iife' },
    plugins: [shorten, minified, loader],
  },
];
