import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

/** What a file may weigh at most after gzip -9. */
const limits: Record<string, number> = {
  'milepost.js': 5_120,
  'milepost.esm.js': 5_120,
  'milepost.full.js': 12_288,
};

/** What visitors download, one record a file of `dist`. */
export function sizesOf(dist: string) {
  return globSync('**/*.js', { cwd: dist, exclude: ['tsc/**'] })
    .sort()
    .map((name) => {
      const bytes = readFileSync(join(dist, name));
      const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
      return {
        name,
        bytes: bytes.length,
        gzip: gzipSync(bytes, { level: 9 }).length,
        brotli: brotliCompressSync(bytes, { params }).length,
        limit: limits[name],
        integrity: `sha384-${createHash('sha384').update(bytes).digest('base64')}`,
      };
    });
}
