import type pg from 'pg';

const numericTypes = new Set([20, 21, 23, 700, 701, 1700]);

/** Runs a query as `milepost_reader` and answers the table that psql prints, without its count of rows. */
export async function askAsReader(pool: pg.Pool, text: string): Promise<string> {
  const client = await pool.connect();
  try {
    await client.query(`begin read only; set local role milepost_reader; set local timezone = 'UTC'`);
    const result = await client.query<(string | null)[]>({
      text,
      rowMode: 'array',
      types: { getTypeParser: () => (value: string) => value },
    } as pg.QueryArrayConfig);
    return tableOf(result);
  } finally {
    await client.query('rollback');
    client.release();
  }
}

function tableOf({ fields, rows }: pg.QueryArrayResult<(string | null)[]>): string {
  const cells = rows.map((row) => row.map((value) => value ?? ''));
  const widths = fields.map(({ name }, column) =>
    Math.max(name.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const width = (column: number) => widths[column] ?? 0;
  const centred = (text: string, column: number) => {
    const left = Math.floor((width(column) - text.length) / 2);
    return `${' '.repeat(left)}${text}`.padEnd(width(column));
  };
  const isNumeric = fields.map(({ dataTypeID }) => numericTypes.has(dataTypeID));
  const aligned = (text: string, column: number) =>
    isNumeric[column] ? text.padStart(width(column)) : text.padEnd(width(column));
  const line = (texts: string[], place: (text: string, column: number) => string) =>
    ` ${texts.map(place).join(' | ')}`.trimEnd();
  return [
    line(
      fields.map(({ name }) => name),
      centred,
    ),
    widths.map((width) => '-'.repeat(width + 2)).join('+'),
    ...cells.map((row) => line(row, aligned)),
  ]
    .map((text) => `${text}\n`)
    .join('');
}
