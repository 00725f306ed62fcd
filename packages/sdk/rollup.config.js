import { writeFileSync } from 'node:fs';
import terser from '@rollup/plugin-terser';
import { snippet } from './src/snippet.ts';

// Names that our modules use among themselves and that nobody outside the bundle knows: worth 110 bytes of 5,120.
// What a page, the browser or the collector knows (`track`, `url`, `sent_at`, …) must never stand here.
const ownNames =
  'onHide onShow onFocus onOnline isRestored canSend cause kind inMs sentAt keepaliveLeft makeDurable ' +
  'retryAfterMs verdicts maxEntries maxBytes inFlight waiting own forget drop prune read losses lose ' +
  'wake retry sendNow outbox store post renew keep wipe update take';

// tsc has compiled and typed; rollup joins. Both outputs hold the same core.
const minify = terser({
  ecma: 2020,
  module: true,
  compress: { passes: 3, unsafe_arrows: true },
  mangle: { properties: { regex: new RegExp(`^(${ownNames.replaceAll(' ', '|')})$`) } },
  format: { comments: false },
});

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
    plugins: [minify],
  },
  {
    input: 'dist/tsc/iife.js',
    output: { file: 'dist/milepost.js', format: 'iife' },
    plugins: [minify, loader],
  },
];
