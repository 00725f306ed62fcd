import pg from 'pg';

/** Makes the database that a URL names, where its server has none of that name. Answers whether it did. */
export async function makeDatabase(url: string): Promise<boolean> {
  const wanted = new pg.Client({ connectionString: url });
  try {
    await wanted.connect();
    return false;
  } catch (error) {
    if ((error as { code?: string }).code !== '3D000') throw error;
  } finally {
    await wanted.end().catch(() => {}); // it may never have begun
  }
  const { pathname } = new URL(url);
  const elsewhere = new URL(url);
  elsewhere.pathname = '/postgres';
  const server = new pg.Client({ connectionString: elsewhere.href });
  await server.connect();
  try {
    await server.query(`create database ${pg.escapeIdentifier(decodeURIComponent(pathname.slice(1)))}`);
    return true;
  } finally {
    await server.end();
  }
}
