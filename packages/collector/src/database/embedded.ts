import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { asOwner, findBinaries } from './binaries.ts';
import { dataArgument, openCluster, type Cluster } from './cluster.ts';

/** A PostgreSQL of our own, from an npm package. */
export type EmbeddedPostgres = {
  /** URL of the database `milepost`, as its superuser. */
  url: string;
  pid: number;
  /** Ends the server cleanly: open transactions are rolled back, everything committed is on disk. */
  stop: () => Promise<void>;
};

export type EmbeddedOptions = {
  /** Keeps the data (`postgres/`), the password and the log. */
  folder: string;
  /** Further settings of the server, as in postgresql.conf. */
  settings?: Record<string, string>;
  /** The port wanted; the one used last, or any free one, by default. */
  port?: number;
};

/**
 * Starts PostgreSQL on 127.0.0.1, making its data the first time. A server that a killed Milepost left running on the
 * same data is taken over. PostgreSQL refuses to run as root, so there it runs as another user, started inside its
 * data folder (see `dataArgument`).
 */
export async function startPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const folder = resolve(options.folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const cluster = openCluster(
    folder,
    await findBinaries(),
    options.settings?.['fsync'] === 'off' ? 'hasty' : 'durable',
  );
  const left = runningOn(cluster);
  if (left && (await answers(urlAt(cluster, left.port)))) return running(cluster, left);
  const port = await freePort(options.port ?? lastPort(folder));
  const pid = launch(cluster, join(folder, 'postgres.log'), [
    '-p',
    String(port),
    ...Object.entries({ ...defaults(), ...options.settings }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]),
  ]);
  try {
    await untilAnswering(urlAt(cluster, port), pid, join(folder, 'postgres.log'));
  } catch (error) {
    await end(cluster, pid);
    throw error;
  }
  writeFileSync(join(folder, 'postgres.port'), String(port));
  return running(cluster, { pid, port });
}

function running(cluster: Cluster, { pid, port }: { pid: number; port: number }): EmbeddedPostgres {
  return { url: urlAt(cluster, port), pid, stop: () => end(cluster, pid) };
}

function urlAt({ user, password }: Cluster, port: number): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/milepost`;
}

function launch(cluster: Cluster, logFile: string, args: string[]): number {
  const log = openSync(logFile, 'a', 0o600);
  // A session of its own: Ctrl-C in a terminal must not end it before the collector has drained.
  const server = spawn(cluster.binaries.postgres, ['-D', dataArgument(cluster), ...args], {
    cwd: cluster.data,
    detached: true,
    stdio: ['ignore', log, log],
    windowsHide: true,
    ...asOwner(cluster.binaries),
  });
  closeSync(log);
  server.on('error', () => {}); // then there is no pid, and we say so below
  server.unref();
  if (server.pid === undefined)
    throw new Error(`PostgreSQL (${cluster.binaries.postgres}) could not be started`);
  return server.pid;
}

function defaults(): Record<string, string> {
  const megabytes = Math.round(totalmem() / 1024 / 1024);
  return {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '100',
    shared_buffers: `${Math.max(128, Math.min(1024, Math.round(megabytes / 8)))}MB`,
    effective_cache_size: `${Math.max(256, Math.round(megabytes / 2))}MB`,
    max_wal_size: '4GB',
    random_page_cost: '1.1',
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
  };
}

/** The server that holds this data, by the file it keeps there: process id first, port on the fourth line. */
function runningOn({ data }: Cluster): { pid: number; port: number } | undefined {
  const file = join(data, 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const lines = readFileSync(file, 'utf8').split('\n');
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  return pid > 0 && port > 0 && isAlive(pid) ? { pid, port } : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // no such process, or one of another user, which is not ours either
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {}); // a server that ends while we ask is one that does not answer
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

async function untilAnswering(url: string, pid: number, logFile: string): Promise<void> {
  const deadline = Date.now() + 120_000; // recovery after a power cut takes its time
  while (!(await answers(url))) {
    if (!isAlive(pid)) throw new Error(`PostgreSQL ended at once; the end of its log:\n${tailOf(logFile)}`);
    if (Date.now() > deadline)
      throw new Error(`PostgreSQL did not answer; the end of its log:\n${tailOf(logFile)}`);
    await sleep(50);
  }
}

function tailOf(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-8).join('\n');
}

/** Waits for the file as well: where nothing collects ended processes, a process id outlives its process. */
async function end(cluster: Cluster, pid: number): Promise<void> {
  const isRunning = () => isAlive(pid) && existsSync(join(cluster.data, 'postmaster.pid'));
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];
  for (const signal of signals) {
    if (!isRunning()) return;
    process.kill(pid, signal);
    const deadline = Date.now() + 60_000;
    while (isRunning() && Date.now() < deadline) await sleep(20);
  }
}

function lastPort(folder: string): number | undefined {
  const file = join(folder, 'postgres.port');
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
}

/** The wanted port if nothing listens there, else any other. */
async function freePort(wanted: number | undefined): Promise<number> {
  const probe = createServer();
  try {
    probe.listen(wanted ?? 0, '127.0.0.1');
    await once(probe, 'listening');
    return (probe.address() as AddressInfo).port;
  } catch (error) {
    if (wanted === undefined) throw error;
    return await freePort(undefined);
  } finally {
    probe.close();
  }
}
