import type { Config } from '../config.ts';
import type { TouchpointBuffer } from './buffer.ts';
import { openLmdbBuffer, type LmdbBufferOptions } from './lmdb.ts';

/** Opens the buffer that `BUFFER_URL` names. */
export async function openBuffer(
  { folder }: Config['buffer'],
  options: Omit<LmdbBufferOptions, 'folder'>,
): Promise<TouchpointBuffer> {
  return await openLmdbBuffer({ ...options, folder });
}
