import type { Pool } from 'pg';
import { cursorOf, positionOf } from './cursor.ts';
import type { Access } from './access.ts';
import { queryRows } from './rows.ts';

/**
 * A list that can be paged through. `key` sorts it and is unique within a site; its columns are never null. As long as
 * a row keeps its key, a reader who follows the cursors meets it exactly once, whatever is inserted meanwhile.
 */
export type List = {
  name: string;
  columns: string;
  from: string;
  siteColumn: string;
  key: { column: string; type: 'timestamptz' | 'uuid' | 'text' | 'boolean' }[];
};

/** One restriction: SQL with a `?` where its value belongs. */
export type Filter = { sql: string; value: unknown };

/** How much of a list is wanted, and from where. */
export type PageRequest = {
  filters: Filter[];
  direction: 'asc' | 'desc';
  limit: number;
  cursor?: string | undefined;
};

/** A part of a list. `nextCursor` is null when there was no more at the time. */
export type Page<Row> = { rows: Row[]; nextCursor: string | null };

/** Reads one page of `list` for the site of `access`. Costs the page, not the list, where an index has the key's order. */
export async function pageOf<Row extends object>(
  { pool, access }: { pool: Pool; access: Access },
  list: List,
  { filters, direction, limit, cursor }: PageRequest,
): Promise<Page<Row>> {
  const cursorScope = {
    secret: access.secret,
    list: JSON.stringify([list.name, direction, ...filters.map(({ sql, value }) => [sql, value])]),
  };
  const values: unknown[] = [access.siteId];
  const placeholder = (value: unknown) => `$${values.push(value)}`;
  const conditions = [`${list.siteColumn} = $1`];
  for (const { sql, value } of filters) conditions.push(sql.replace('?', placeholder(value)));
  if (cursor !== undefined) {
    const position = positionOf(cursor, cursorScope);
    const columns = list.key.map(({ column }) => column);
    const bounds = list.key.map(({ type }, index) => `${placeholder(position[index])}::${type}`);
    conditions.push(`(${columns.join(', ')}) ${direction === 'asc' ? '>' : '<'} (${bounds.join(', ')})`);
  }

  const found = await queryRows<Row & { position: string[] }>(pool, {
    // the position is the database's own text: a JavaScript date would lose microseconds, and rows with them
    text: `select ${list.columns}, array[${list.key.map(({ column }) => `${column}::text`).join(', ')}] as position
      from ${list.from}
      where ${conditions.join(' and ')}
      order by ${list.key.map(({ column }) => `${column} ${direction}`).join(', ')}
      limit ${placeholder(limit + 1)}`,
    values,
  });
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  return { rows, nextCursor: found.length > limit && last ? cursorOf(last.position, cursorScope) : null };
}

/** The filters that are given, without those that are not. */
export function filtersOf(candidates: Record<string, unknown>): Filter[] {
  return Object.entries(candidates)
    .filter(([, value]) => value !== undefined)
    .map(([sql, value]) => ({ sql, value }));
}
