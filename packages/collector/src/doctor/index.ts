import type { Pool } from 'pg';
import { pendingIn } from '../database/migrate.ts';
import { Refusal } from '../refusal.ts';
import { type Finding, wrong } from './finding.ts';
import { serverFindings } from './server.ts';
import { dataFindings } from './sites.ts';

export type { Finding } from './finding.ts';
export { environmentFindings } from './process.ts';

/** Looks the database over; changes nothing. What needs this version's tables is looked at only where they are. */
export async function databaseFindings(pool: Pool): Promise<Finding[]> {
  const server = await serverFindings(pool);
  const behind = await migrationFindings(pool);
  return [...server, ...behind, ...(behind.length > 0 ? [] : await dataFindings(pool))];
}

async function migrationFindings(pool: Pool): Promise<Finding[]> {
  try {
    const { migrations, isOlder } = await pendingIn(pool);
    if (migrations.length === 0 && !isOlder) return [];
    const what = migrations.length > 0 ? `misses ${migrations.join(', ')}` : 'has other functions and views';
    return [
      wrong(
        'migrations',
        `the database ${what}; the data was not looked at.`,
        'Run milepost migrate, then milepost doctor again.',
      ),
    ];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return [wrong('migrations', error.message, 'Bring files and database to the same version.')];
  }
}
