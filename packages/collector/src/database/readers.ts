import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { Refusal } from '../refusal.ts';

const { escapeIdentifier, escapeLiteral } = pg;

/** Makes a role that may log in and read the views of `journey`, nothing else; answers its password, kept nowhere. */
export async function createReader(db: pg.Pool, role: string): Promise<{ password: string }> {
  const password = randomBytes(24).toString('base64url');
  const name = escapeIdentifier(role);
  const client = await db.connect();
  try {
    await client.query('begin');
    await client.query(
      `create role ${name} login password ${escapeLiteral(password)} in role milepost_reader`,
    );
    await client.query(`alter role ${name} set search_path = journey`);
    await client.query('commit');
    return { password };
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the first error is the one to tell
    const { code } = error as { code?: string };
    if (code === '42710') throw new Refusal(`there is a role ${role} already; choose another name.`);
    throw error;
  } finally {
    client.release();
  }
}
