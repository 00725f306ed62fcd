import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

// Prints what a visitor downloads, one JSON line a file. The bar for the core is 5,120 bytes after gzip -9.
const limit = 5_120;

for (const name of ['milepost.js', 'milepost.esm.js']) {
  const bytes = readFileSync(join(import.meta.dirname, '..', 'dist', name));
  const gzip = gzipSync(bytes, { level: 9 }).length;
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
  const integrity = `sha384-${createHash('sha384').update(bytes).digest('base64')}`;
  console.log(JSON.stringify({ name, bytes: bytes.length, gzip, brotli, limit, integrity }));
}
