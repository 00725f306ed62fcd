import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite as insertSite, deleteSite } from '../../src/database/sites.ts';
import { Deriver } from '../../src/derive/derive.ts';
import { applyModel } from '../../src/models/apply.ts';
import { readModel } from '../../src/models/shipped.ts';
import { storeGiven } from '../derive/given.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { createSite } from '../support/site.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

// Tables that are not of sites. Whoever adds one to this list has thought of what a deleted site leaves in it.
const ofNoSite = [
  'collectors',
  'deleted_sites',
  'migrations',
  'model_machines', // a site's own are keyed '<site>/<name>'; see the test
  'model_rules',
  'models',
  'rebuilds',
  'sign_ins',
  'source_categories',
];

async function tables(): Promise<{ name: string; has_site: boolean }[]> {
  const { rows } = await database.pool.query<{ name: string; has_site: boolean }>(
    `select pg_class.relname as name, exists (
       select from pg_attribute
       where pg_attribute.attrelid = pg_class.oid and pg_attribute.attname = 'site_id' and not pg_attribute.attisdropped
     ) as has_site
     from pg_class
     where pg_class.relnamespace = 'store'::regnamespace and pg_class.relkind in ('r', 'p') and not pg_class.relispartition
     order by 1`,
  );
  return rows;
}

/** One row in every table there is, with something in every column that must not be null. */
async function fillEveryTable(siteId: number): Promise<void> {
  await database.pool.query(`
    do $$
    declare
      place record;
    begin
      for place in
        select pg_class.oid::regclass as name,
          string_agg(quote_ident(attname), ', ') as columns,
          string_agg(case
            when attname = 'site_id' then '${siteId}'
            when attname = 'person_secret' then 'decode(repeat(''07'', 32), ''hex'')'
            when typcategory = 'N' then '1'
            when typcategory = 'B' then 'false'
            when typcategory = 'A' then quote_literal('{}')
            when typcategory = 'D' then 'now()'
            when typcategory = 'T' then quote_literal('1 hour')
            when typcategory = 'R' then quote_literal('empty')
            when typname = 'uuid' then 'gen_random_uuid()'
            when typname = 'jsonb' then quote_literal('{}')
            when typname = 'bytea' then 'decode(md5(random()::text), ''hex'')'
            else quote_literal('x')
          end, ', ') as samples
        from pg_class
        join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
        join pg_type on pg_type.oid = atttypid
        where relnamespace = 'store'::regnamespace and relkind in ('r', 'p') and not relispartition
          and relname <> 'deleted_sites' and (attname = 'site_id' or attnotnull and not atthasdef and attidentity = '')
        group by pg_class.oid
        having bool_or(attname = 'site_id')
      loop
        execute format('insert into %s (%s) values (%s) on conflict do nothing', place.name, place.columns, place.samples);
      end loop;
    end
    $$`);
}

async function rowsOf(siteId: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { name } of (await tables()).filter(
    (table) => table.has_site && table.name !== 'deleted_sites',
  )) {
    const { rows } = await database.pool.query<{ count: number }>(
      `select count(*)::integer as count from store.${name} where site_id = $1`,
      [siteId],
    );
    counts[name] = rows[0]!.count;
  }
  return counts;
}

test('every table of the store is of sites, or known not to be', async () => {
  const others = (await tables()).filter(({ has_site }) => !has_site).map(({ name }) => name);
  expect([...others, 'deleted_sites'].sort()).toEqual(ofNoSite);
});

test('nothing of a deleted site is left in any table, and nothing of another is gone', async () => {
  const { pool } = database;
  const [gone, kept] = [await createSite(pool), await createSite(pool)];
  for (const { siteId } of [gone, kept]) {
    await applyModel(pool, { siteId, model: await readModel('loyalty') });
  }
  // Rows made up here keep no rule but the types of their columns.
  await pool.query(`
    do $$
    declare
      rule record;
    begin
      for rule in
        select conrelid::regclass as place, conname from pg_constraint
        where connamespace = 'store'::regnamespace and contype = 'c' and conislocal
      loop
        execute format('alter table %s drop constraint %I', rule.place, rule.conname);
      end loop;
    end
    $$`);
  await fillEveryTable(gone.siteId);
  await fillEveryTable(kept.siteId);
  const before = await rowsOf(kept.siteId);
  expect(Object.values(await rowsOf(gone.siteId))).not.toContain(0);
  await pool.query(`create schema journey_site_${gone.siteId}`);

  const deleted = await deleteSite(pool, gone.siteId);
  expect(deleted).toMatchObject({ name: 'Test' });
  expect(Object.entries(await rowsOf(gone.siteId)).filter(([, count]) => count > 0)).toEqual([]);
  expect(await rowsOf(kept.siteId)).toEqual(before);
  const { rows: models } = await pool.query(
    `select (select array_agg(distinct model_name) from store.models where model_name like '%/%') as documents,
       (select array_agg(distinct model_name) from store.model_machines where model_name like '%/%') as machines,
       (select array_agg(distinct model_name) from store.model_rules where model_name like '%/%') as rules,
       to_regnamespace('journey_site_${gone.siteId}')::text as schema`,
  );
  const own = [`${kept.siteId}/loyalty`];
  expect(models).toEqual([{ documents: own, machines: own, rules: own, schema: null }]);
  expect(await deleteSite(pool, gone.siteId)).toBeUndefined();
});

test('the number of a deleted site is not given again; what still comes for it is removed and holds nobody up', async () => {
  const own = await createDatabase();
  try {
    const { siteId: kept } = await createSite(own.pool);
    const { siteId: gone } = await createSite(own.pool);
    await deleteSite(own.pool, gone);
    expect(await insertSite(own.pool, { name: 'Next' })).toBe(gone + 1);

    const touchpoint = { at: '2026-03-02T09:00Z', name: 'page_view', user_id: 'ada' };
    await storeGiven(own.pool, { siteId: gone }, [touchpoint]);
    await storeGiven(own.pool, { siteId: kept }, [touchpoint]);
    const deriver = await Deriver.open(own.pool);
    while ((await deriver.deriveBatches()) > 0);
    const count = async (table: string): Promise<unknown> =>
      (await own.pool.query(`select site_id, count(*)::integer from ${table} group by site_id`)).rows;
    expect(await count('journey.persons')).toEqual([{ site_id: kept, count: 1 }]);
    await deriver.keepHouse();
    await deriver.close();
    expect(await count('store.touchpoints')).toEqual([{ site_id: kept, count: 1 }]);
    expect(await count('store.batches')).toEqual([]);
  } finally {
    await own.drop();
  }
});
