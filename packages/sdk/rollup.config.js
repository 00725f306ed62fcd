import { writeFileSync } from 'node:fs';
import { minify } from 'terser';
import { snippet } from './src/snippet.ts';

// Names that the core's modules use among themselves and that nobody outside knows become one letter each: worth 170
// bytes of 5,120. The order is one that compresses well. What a page, a plug-in, the browser or the collector knows
// (`track`, `store`, `sent_at`, …) must never stand here.
const ownNames =
  'whose verdicts tell sendNow update isRefused outbox lose become forget retryAfterMs mayKeep prune maxBytes text ' +
  'inMs waiting canSend take wipe maxEntries read enqueue retry drop losses sentAt inFlight own settle wake';
// the loader's own letters are q, o and t
const letters = 'abcdefghiklmnprsuvwxyABCFILNTVZ';
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
