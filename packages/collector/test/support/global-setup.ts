import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { findBinaries } from '../../src/database/binaries.ts';
import { startPostgres } from '../../src/database/embedded.ts';
import { migrate } from '../../src/database/migrate.ts';
import { createPool } from '../../src/database/pool.ts';
import { buildBrowserCode } from '../../src/demo/build.ts';
import { Refusal } from '../../src/refusal.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** URL of the template database: every migration applied, no rows. Nobody may stay connected to it. */
    templateUrl: string;
  }
}

/** Builds what the browser runs, starts the one PostgreSQL of a run and migrates the database that every test file clones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await refuseInOneSentence();
  buildBrowserCode(() => {}); // once, before test files need it at the same time
  const folder = mkdtempSync(join(tmpdir(), 'milepost-test-'));
  chmodSync(folder, 0o700);
  const server = await startPostgres({
    folder,
    // a test run need not survive a power cut
    settings: {
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
      max_connections: '300',
      shared_buffers: '256MB',
    },
  });
  const release = endWithThisProcess(server.pid, folder);
  const pool = createPool(server.url);
  try {
    await migrate(pool);
  } catch (error) {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
    release();
    throw error;
  } finally {
    await pool.end();
  }
  project.provide('templateUrl', server.url);
  return async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
    release();
  };
}

/** A platform without a packaged PostgreSQL is told so without a stack, before anything runs. */
async function refuseInOneSentence(): Promise<void> {
  try {
    await findBinaries();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const [what] = error.message.split(';'); // what follows is advice for servers
    process.stderr.write(`milepost: ${what}, and the tests need one.\n`);
    process.exit(1);
  }
}

/** Ends the server also when the run is killed: a pipe to a waiting shell closes with this process, however it dies. */
function endWithThisProcess(pid: number, folder: string): () => void {
  if (process.platform === 'win32') return () => {};
  const script = 'read _; kill -INT "$1" && sleep 2; rm -rf "$2"';
  const watch = spawn('sh', ['-c', script, 'sh', `${pid}`, folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watch.unref();
  return () => watch.stdin.end();
}
