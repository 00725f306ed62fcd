import { writeFileSync } from 'node:fs';
import terser from '@rollup/plugin-terser';
import { snippet } from './src/snippet.ts';

// tsc has compiled and typed; rollup joins. Both outputs hold the same core.
const minify = terser({
  ecma: 2020,
  module: true,
  compress: { passes: 3, unsafe_arrows: true },
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
  { input: 'dist/tsc/index.js', output: { file: 'dist/milepost.esm.js', format: 'es' }, plugins: [minify] },
  {
    input: 'dist/tsc/iife.js',
    output: { file: 'dist/milepost.js', format: 'iife' },
    plugins: [minify, loader],
  },
];
