import { Refusal } from '../refusal.ts';
import type { TouchpointBuffer } from './buffer.ts';
import { openLmdbBuffer, type LmdbBufferOptions } from './lmdb.ts';

/** Opens the buffer that `BUFFER_URL` names: `lmdb:<folder>`. */
export async function openBuffer(
  url: string,
  options: Omit<LmdbBufferOptions, 'folder'>,
): Promise<TouchpointBuffer> {
  const folder = /^lmdb:(?<folder>.+)$/.exec(url)?.groups?.['folder'];
  if (folder === undefined) throw new Refusal('BUFFER_URL must be lmdb:<folder>.');
  return await openLmdbBuffer({ ...options, folder });
}
