import { openLmdbBuffer, type LmdbBufferOptions } from './lmdb.ts';
import type { TouchpointBuffer } from './buffer.ts';

/** Opens the buffer that `BUFFER_URL` names: `lmdb:<folder>`. */
export async function openBuffer(
  url: string,
  options: Omit<LmdbBufferOptions, 'folder'>,
): Promise<TouchpointBuffer> {
  const folder = /^lmdb:(?<folder>.+)$/.exec(url)?.groups?.['folder'];
  if (folder === undefined) {
    throw new Error(`BUFFER_URL must be lmdb:<folder>; this version knows no other buffer`);
  }
  return await openLmdbBuffer({ ...options, folder });
}
