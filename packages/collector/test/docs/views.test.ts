import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { isUpdating, root, textOf } from './markdown.ts';

// docs/sql.md is written from the database's own comments: UPDATE_EXAMPLES=1 npm test -- packages/collector/test/docs

type Column = { view: string; column: string; type: string; comment: string | null };

const file = 'docs/sql.md';
let database: TestDatabase;
let columns: Column[];
let comments: Map<string, string | null>;

beforeAll(async () => {
  database = await createDatabase();
  ({ rows: columns } = await database.pool.query<Column>(
    `select pg_class.relname as view, pg_attribute.attname as column,
       format_type(pg_attribute.atttypid, pg_attribute.atttypmod) as type,
       col_description(pg_class.oid, pg_attribute.attnum) as comment
     from pg_class
     join pg_attribute on pg_attribute.attrelid = pg_class.oid and pg_attribute.attnum > 0
     where pg_class.relnamespace = 'journey'::regnamespace and pg_class.relkind = 'v'
     order by pg_class.relname, pg_attribute.attnum`,
  ));
  const { rows } = await database.pool.query<{ name: string; comment: string | null }>(
    `select pg_class.relname as name, obj_description(pg_class.oid) as comment
     from pg_class
     where pg_class.relnamespace = 'journey'::regnamespace and pg_class.relkind = 'v'
     union all
     select pg_proc.proname || '(' || pg_get_function_arguments(pg_proc.oid) || ')', obj_description(pg_proc.oid)
     from pg_proc
     where pg_proc.pronamespace = 'journey'::regnamespace
     order by name`,
  );
  comments = new Map(rows.map(({ name, comment }) => [name, comment]));
});
afterAll(() => database.drop());

/** Views in the order of their files. */
function viewsInOrder(): string[] {
  const folder = `${root}migrations/views/`;
  const texts = readdirSync(folder)
    .sort()
    .map((name) => readFileSync(`${folder}${name}`, 'utf8'));
  return texts.flatMap((text) =>
    [...text.matchAll(/^create view journey\.(\w+)/gm)].map(([, view = '']) => view),
  );
}

function sectionFor(view: string): string {
  const rows = columns
    .filter((column) => column.view === view)
    .map(({ column, type, comment }) => `| \`${column}\` | ${type} | ${comment ?? ''} |`);
  return [
    `## ${view}`,
    '',
    comments.get(view) ?? '',
    '',
    '| column | type | |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function functionSections(): string[] {
  const functions = [...comments].filter(([name]) => name.endsWith(')'));
  return functions.map(([name, comment]) => `## ${name}\n\n${comment ?? ''}\n`);
}

test('every view, column and function of the contract has a comment', () => {
  const bare = columns.filter(({ comment }) => !comment).map(({ view, column }) => `${view}.${column}`);
  expect(bare).toEqual([]);
  expect([...comments].filter(([, comment]) => !comment)).toEqual([]);
});

test('every view begins with its site', () => {
  const views = viewsInOrder();
  expect(new Set(views)).toEqual(new Set(columns.map(({ view }) => view)));
  const firsts = views.map((view) => columns.find((column) => column.view === view)?.column);
  expect(new Set(firsts)).toEqual(new Set(['site_id']));
});

test('docs/sql.md says what the comments say', () => {
  const text = textOf(file);
  const introduction = text.slice(0, /^## /m.exec(text)?.index ?? text.length);
  const generated = [...viewsInOrder().map(sectionFor), ...functionSections()].join('\n');
  if (isUpdating) writeFileSync(`${root}${file}`, introduction + generated);
  else expect(text).toBe(introduction + generated);
});
