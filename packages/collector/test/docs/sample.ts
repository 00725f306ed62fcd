import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deriveUntilIdle } from '../../src/derive/index.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { run } from '../support/program.ts';
import { createSite } from '../support/site.ts';
import { blocksOf, sectionOf } from './markdown.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** The instant that the answers in README.md are true for. */
export const sampleAsOf = new Date('2026-11-02T00:00:00Z');

/** A database filled by the very commands that README.md shows, and derived as of `sampleAsOf`. */
export async function sampleDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'milepost-sample-'));
  try {
    mkdirSync(join(folder, '.milepost')); // as the demo does
    await createSite(database.pool); // the demo's: site 1
    for (const line of commandsShown()) {
      // The command line derives as of now; these answers are of an instant of their own.
      const args = line.startsWith('import ') ? [...line.split(' '), '--no-derive'] : line.split(' ');
      const env = { PATH: process.env['PATH'], DATABASE_URL: database.url };
      const ended = await run(process.execPath, [main, ...args], { cwd: folder, env });
      if (ended.code !== 0) throw new Error(`milepost ${line}: ${ended.stderr}`);
    }
    await deriveUntilIdle(database.pool, { asOf: sampleAsOf });
    return database;
  } catch (error) {
    await database.drop();
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function commandsShown(): string[] {
  const [shown] = blocksOf(sectionOf('README.md', 'Ten questions')).filter(
    ({ language }) => language === 'sh',
  );
  const lines = shown?.text.trim().split('\n') ?? [];
  return lines.map((line) => line.replace(/^npm run milepost -- /, ''));
}
