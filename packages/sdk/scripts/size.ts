import { join } from 'node:path';
import { sizesOf } from './sizes.ts';

// Prints what a visitor downloads, one JSON line a file, and fails when a file is over its limit.
for (const size of sizesOf(join(import.meta.dirname, '..', 'dist'))) {
  console.log(JSON.stringify(size));
  if (size.gzip > (size.limit ?? Infinity)) process.exitCode = 1;
}
