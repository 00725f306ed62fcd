import pg from 'pg';
import type { Pool, QueryConfig } from 'pg';
import { problemForNow } from '../problems.ts';

const { builtins, getTypeParser } = pg.types;
const dateOf = getTypeParser(builtins.TIMESTAMPTZ) as (text: string) => Date | number | null;

/** As JSON wants them: instants as ISO 8601 in UTC, days as text, bigints as numbers; numeric stays text, never a float. */
const parsers: Partial<Record<number, (text: string) => unknown>> = {
  [builtins.TIMESTAMPTZ]: (text) => {
    const date = dateOf(text);
    return date instanceof Date ? date.toISOString() : null;
  },
  [builtins.DATE]: (text) => text,
  [builtins.INT8]: Number,
  [builtins.NUMERIC]: decimalOf,
};

/** Two decimals, or as many as are needed: PostgreSQL keeps the zeros that a calculation left behind. */
function decimalOf(text: string): string {
  const [whole, fraction = ''] = text.split('.');
  return `${whole}.${fraction.replace(/0+$/, '').padEnd(2, '0')}`;
}

/** The rows of one query, with values as the API prints them. A `name` makes it a prepared statement of its connection. */
export async function queryRows<Row extends object>(pool: Pool, query: QueryConfig): Promise<Row[]> {
  try {
    const { rows } = await pool.query<Row>({
      ...query,
      types: {
        // the overloads of pg's own type cannot be met by one function
        getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
          parsers[oid] ?? getTypeParser(oid, format)) as typeof getTypeParser,
      },
    });
    return rows;
  } catch (error) {
    if (isAway(error))
      throw problemForNow('database-unavailable', 'The database does not answer. Ask again shortly.', 5);
    throw error;
  }
}

/** Whether the database is gone, starting or stopping, rather than unhappy with the query. */
export function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  // class 08: connection exception; 57P01–57P03: shutting down or starting up; 53300: too many connections
  return (
    /^(08...|57P0[123]|53300|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|ENOENT)$/.test(code) ||
    /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/.test(
      error.message,
    )
  );
}
