import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { otherColumns, settingNames, settingOf } from '../../src/settings/catalogue.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createDatabase();
});

afterAll(async () => {
  await db.drop();
});

test('every column of store.sites is a setting of the catalogue, or told of as something else; and the other way round', async () => {
  const { rows } = await db.pool.query<{ attname: string }>(
    `select attname from pg_attribute where attrelid = 'store.sites'::regclass and attnum > 0 and not attisdropped`,
  );
  expect([...settingNames, ...Object.keys(otherColumns)].toSorted()).toEqual(
    rows.map(({ attname }) => attname).toSorted(),
  );
});

test.each(settingNames)('the default of %s is that of its column', async (name) => {
  const { form, default: standard } = settingOf(name);
  const { rows } = await db.pool.query<{ default: string; type: string }>(
    `select pg_get_expr(pg_attrdef.adbin, pg_attrdef.adrelid) as default,
       format_type(pg_attribute.atttypid, pg_attribute.atttypmod) as type
     from pg_attribute
     join pg_attrdef on pg_attrdef.adrelid = pg_attribute.attrelid and pg_attrdef.adnum = pg_attribute.attnum
     where pg_attribute.attrelid = 'store.sites'::regclass and pg_attribute.attname = $1`,
    [name],
  );
  const [column] = rows;
  const { rows: compared } = await db.pool.query<{ is_same: boolean }>(
    `select (${column?.default}) = $1::${column?.type} as is_same`,
    [form.schema.parse(standard)],
  );
  expect(compared).toEqual([{ is_same: true }]);
});

test.each(settingNames)('what is shown of %s can be given again', (name) => {
  const { form, default: standard } = settingOf(name);
  const stored = form.schema.parse(standard);
  expect(form.schema.parse(form.textOf(stored))).toEqual(stored);
});

// UPDATE_EXAMPLES=1 writes the table again.
test('docs/semantics.md lists every setting as the catalogue has it', () => {
  const path = new URL('../../../../docs/semantics.md', import.meta.url);
  const text = readFileSync(path, 'utf8');
  const [before = '', rest = ''] = text.split('<!-- settings -->\n');
  const [, after = ''] = rest.split('<!-- /settings -->\n');
  const lines = settingNames.map((name) => {
    const { form, description, default: standard } = settingOf(name);
    return `| \`${name}\` | ${form.textOf(form.schema.parse(standard)) || 'none'} | ${description} |\n`;
  });
  const table = `\n| setting | default | meaning |\n|---|---|---|\n${lines.join('')}\n`;
  const expected = `${before}<!-- settings -->\n${table}<!-- /settings -->\n${after}`;
  if (process.env['UPDATE_EXAMPLES']) writeFileSync(path, expected);
  else expect(text).toBe(expected);
});
