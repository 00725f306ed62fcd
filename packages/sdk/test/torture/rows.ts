/** What counting needs of a pool of connections. */
type Database = {
  query(text: string, values: unknown[]): Promise<{ rows: { mark: string; copies: number }[] }>;
};

/** Counts the rows of each marked event of a run, as anybody who reads the journey would. */
export function rowsOf(database: Database, siteId: number) {
  return async (run: string): Promise<Map<string, number>> => {
    const { rows } = await database.query(
      `select properties ->> 'mark' as mark, count(*)::integer as copies
       from journey.touchpoints
       where site_id = $1 and name = 'bench' and properties ->> 'mark' like $2
       group by properties ->> 'mark'`,
      [siteId, `mk-${run}-%`],
    );
    return new Map(rows.map(({ mark, copies }) => [mark, copies]));
  };
}
