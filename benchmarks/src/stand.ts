import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { allScopes } from '@milepost/collector/api/scopes';
import { startPostgres } from '@milepost/collector/database/embedded';
import { createKey } from '@milepost/collector/database/keys';
import { migrate } from '@milepost/collector/database/migrate';
import { createPool } from '@milepost/collector/database/pool';
import { createSite } from '@milepost/collector/database/sites';
import { benchProfile } from '@milepost/collector/simulate/bench';
import type pg from 'pg';

/** A site of the bench profile. */
export type BenchSite = { siteId: number; writeKey: string; secretKey: string };

/** A PostgreSQL of its own with the sites of the profile; everything is thrown away in the end. */
export type Stand = {
  folder: string;
  url: string;
  postgresPid: number;
  pool: pg.Pool;
  sites: BenchSite[];
  close(): Promise<void>;
};

/** A collector in a process of its own, the real `milepost serve`. */
export type Collector = { url: string; pid: number; stop(): Promise<void> };

const cli = fileURLToPath(import.meta.resolve('@milepost/collector/cli/main'));

/** What a run that is interrupted must still end: PostgreSQL lives in a session of its own. */
const toEnd = new Set<() => Promise<unknown>>();
let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    isInterrupted = true;
    void Promise.allSettled([...toEnd].toReversed().map((end) => end())).then(() => process.exit(1));
  });
}

/** Work whose failure is no news once the run was interrupted: then the process ends as soon as all is cleared away. */
export async function untilInterrupted<Outcome>(work: Promise<Outcome>): Promise<Outcome> {
  try {
    return await work;
  } catch (error) {
    if (isInterrupted) await new Promise(() => {});
    throw error;
  }
}

/** Starts a PostgreSQL with the sites of the profile. */
export async function openStand(): Promise<Stand> {
  const folder = mkdtempSync(join(tmpdir(), 'milepost-bench-'));
  chmodSync(folder, 0o700);
  return openStandIn(folder, { isKept: false });
}

/**
 * The same in a folder of its own; with `isKept` what is there is used again, and stays. `settings` are PostgreSQL's.
 */
export async function openStandIn(
  folder: string,
  { isKept, settings = {} }: { isKept: boolean; settings?: Record<string, string> },
): Promise<Stand> {
  const server = await startPostgres({ folder, settings });
  const end = async () => {
    toEnd.delete(end);
    await server.stop();
    if (!isKept) rmSync(folder, { recursive: true, force: true });
  };
  toEnd.add(end);
  const pool = createPool(server.url, { name: 'bench', connections: 4 });
  await migrate(pool);
  const sites = await openSites(pool, join(folder, 'sites.json'));
  return {
    folder,
    url: server.url,
    postgresPid: server.pid,
    pool,
    sites,
    close: async () => {
      await pool.end();
      await end();
    },
  };
}

/** The sites of the profile, made once: of secret keys the database keeps no more than a hash, so a file has them. */
async function openSites(pool: pg.Pool, file: string): Promise<BenchSite[]> {
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as BenchSite[];
  const sites: BenchSite[] = [];
  for (let number = 1; number <= benchProfile.sites; number += 1) {
    const siteId = await createSite(pool, { name: `Bench ${number}`, allowed_origins: ['*'] });
    const write = await createKey(pool, { siteId, kind: 'write', scopes: [] });
    const secret = await createKey(pool, { siteId, kind: 'secret', scopes: allScopes });
    sites.push({ siteId, writeKey: write.key, secretKey: secret.key });
  }
  writeFileSync(file, JSON.stringify(sites), { mode: 0o600 });
  return sites;
}

/** Starts a collector on the stand's database, `flags` being Node's own. Resolves when it is ready for requests. */
export async function startCollector(
  stand: Stand,
  { roles, flags = [] }: { roles: string; flags?: readonly string[] },
): Promise<Collector> {
  const port = await freePort();
  const child = spawn(process.execPath, [...flags, cli, 'serve'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      DATABASE_URL: stand.url,
      HOST: '127.0.0.1',
      PORT: String(port),
      BUFFER_URL: `lmdb:${mkdtempSync(join(stand.folder, 'buffer-'))}`,
      ROLES: roles,
      LOG_LEVEL: 'warn',
      NODE_ENV: 'production',
    },
  });
  const stop = async () => {
    toEnd.delete(stop);
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  toEnd.add(stop);
  const url = `http://127.0.0.1:${port}`;
  await untilReady(url, child);
  const { pid } = child;
  if (pid === undefined) throw new Error('the collector has no process');
  return { url, pid, stop };
}

async function untilReady(url: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the collector ended with code ${child.exitCode}`);
    const isReady = await fetch(`${url}/readyz`).then(
      (response) => response.ok,
      () => false, // it does not listen yet
    );
    if (isReady) return;
    await sleep(100);
  }
  child.kill('SIGKILL');
  throw new Error('the collector was not ready within 20 s');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
