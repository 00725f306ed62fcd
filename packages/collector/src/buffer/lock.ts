import { once } from 'node:events';
import { unlinkSync } from 'node:fs';
import { hash } from 'node:crypto';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { Refusal } from '../refusal.ts';

// The address of a Unix socket has 104 bytes on macOS, 108 on Linux, the last one being zero.
const longestAddress = 100;

/**
 * Makes this process the only owner of a buffer's folder: positions are given out in memory, so a second one would
 * write over the first. The lock is a listening socket, because that dies with its process, also by `kill -9`.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = socketPath(folder);
  if (await isAnswering(path)) {
    throw new Refusal(
      `the buffer in ${folder} belongs to another running collector; stop that one, or set BUFFER_URL to another folder. (ROLES ingest and write must share one process.)`,
    );
  }
  if (process.platform !== 'win32') unlinkIfThere(path);
  const server = createServer((socket) => socket.destroy());
  server.listen(path);
  await once(server, 'listening');
  server.unref();
  return async () => {
    server.close();
    await once(server, 'close');
  };
}

function socketPath(folder: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\milepost-${folder.replaceAll(/[^\w]+/g, '-')}`;
  const inFolder = join(resolve(folder), 'lock.sock');
  const fromHere = relative(process.cwd(), inFolder);
  const shorter = fromHere.length < inFolder.length ? fromHere : inFolder;
  if (Buffer.byteLength(shorter) <= longestAddress) return shorter;
  return join(tmpdir(), `milepost-${hash('sha256', inFolder).slice(0, 16)}.sock`);
}

async function isAnswering(path: string): Promise<boolean> {
  const socket = createConnection(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false; // nobody listens: a socket file without a process is what a crash leaves behind
  } finally {
    socket.destroy();
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
