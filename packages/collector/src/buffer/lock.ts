import { once } from 'node:events';
import { unlinkSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join, relative } from 'node:path';
import { Refusal } from '../refusal.ts';

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
  // The address of a socket holds about 100 characters; the relative path is often the shorter one.
  const absolute = join(folder, 'lock.sock');
  const fromHere = relative(process.cwd(), absolute);
  return fromHere.length < absolute.length ? fromHere : absolute;
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
