/** `verify` tells what is wrong, of everybody or of some, and nothing else. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deriveUntilIdle, verify } from '../../src/derive/index.ts';
import { derivedTables } from '../../src/derive/tables.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { makeSite, storeGiven } from './given.ts';
import { someGoals } from './histories.ts';
import { touchpointsOfHouseholds } from './households.ts';

let database: TestDatabase;
const households = 8;

beforeAll(async () => {
  database = await createDatabase();
  const site = await makeSite(database.pool, { goals: JSON.stringify(someGoals) });
  const touchpoints = touchpointsOfHouseholds(households);
  await storeGiven(database.pool, site, touchpoints);
  await deriveUntilIdle(database.pool, {
    asOf: new Date(Math.max(...touchpoints.map(({ at }) => Number(at)))),
  });
}, 60_000);
afterAll(() => database.drop());

async function valuesOf(query: string, values: unknown[] = []): Promise<string[]> {
  const { rows } = await database.pool.query<{ value: string }>(query, values);
  return rows.map(({ value }) => value);
}

const allPersons = (): Promise<string[]> =>
  valuesOf('select person_id as value from store.persons order by person_id');

test('of everybody there is no difference', async () => {
  const report = await verify(database.pool);
  expect(report.differences).toEqual([]);
  expect(report).toMatchObject({ persons: null, skipped: [] });
});

test('of one person there is none either, and no more is read than those they have to do with', async () => {
  const everybody = await allPersons();
  for (const person of everybody.filter((_, index) => index % 4 === 0)) {
    const report = await verify(database.pool, { only: { personIds: [person] } });
    expect(report.differences).toEqual([]);
    expect(report.rows['persons']).toBe(report.persons);
    expect(report.persons).toBeLessThanOrEqual(everybody.length / 2);
  }
}, 60_000);

test('of a sample from anywhere there is none', async () => {
  for (const from of ['00000000-0000-0000-0000-000000000000', 'f0000000-0000-4000-8000-000000000000']) {
    const report = await verify(database.pool, { only: { sample: 7, from } });
    expect(report.differences).toEqual([]);
    expect(report.persons).toBeGreaterThanOrEqual(7);
    expect(report.skipped).toContain('day_metrics');
  }
});

test('a person is found by a former id', async () => {
  const [former] = await valuesOf(
    'select former_person_id as value from store.identities where former_person_id is not null limit 1',
  );
  const report = await verify(database.pool, { only: { personIds: [former!] } });
  expect(report.persons).toBeGreaterThan(0);
  expect(report.differences).toEqual([]);
});

test('nobody is found by an id that nobody had', async () => {
  const report = await verify(database.pool, {
    only: { personIds: ['00000000-0000-8000-8000-000000000000'] },
  });
  expect(report).toMatchObject({ persons: 0, differences: [] });
});

describe('a row that is missing is told', () => {
  const compared = derivedTables.filter(({ uncompared, about }) => uncompared !== 'all' && about !== 'many');
  test.each(compared.map(({ name, about }) => ({ name, about })))(
    'of $name',
    async ({ name, about }) => {
      const owner =
        about === 'order'
          ? `(select orders.person_id from store.orders where orders.site_id = planted.site_id and orders.order_id = planted.order_id)`
          : 'planted.person_id';
      // one whose person is found by something else as well
      const { rows } = await database.pool.query<{ row: object; place: string; person: string }>(
        `select to_jsonb(planted) as row, planted.ctid::text as place, ${owner} as person
      from store.${name} as planted
      where (
        select count(*) from store.identities
        where identities.site_id = planted.site_id and identities.person_id = ${owner}
      ) > 1
      order by 1 desc limit 1`,
      );
      const [{ row, place, person } = expect.fail(`no row of ${name}`)] = rows;
      await database.pool.query(`delete from store.${name} where ctid = $1::tid`, [place]);
      try {
        const found = await verify(database.pool, { only: { personIds: [person] } });
        expect(found.differences.map(({ table }) => table)).toContain(name);
        const whole = await verify(database.pool);
        const difference = whole.differences.find(({ table }) => table === name);
        expect(difference).toMatchObject({ stored: null });
        expect(difference?.recomputed).not.toBeNull();
      } finally {
        await database.pool.query(
          `insert into store.${name} select put.* from jsonb_populate_record(null::store.${name}, $1) as put`,
          [JSON.stringify(row)],
        );
      }
    },
    30_000,
  );
});

test('a value that is wrong is told with both sides, by a sample of everybody too', async () => {
  const count = (await allPersons()).length;
  await database.pool.query(
    `update store.carts set item_count = item_count + 1 where cart_key = (select min(cart_key::text)::uuid from store.carts)`,
  );
  try {
    const report = await verify(database.pool, {
      only: { sample: count, from: '80000000-0000-4000-8000-000000000000' },
    });
    expect(report.differences).toHaveLength(1);
    const [{ table, stored, recomputed }] = report.differences as [(typeof report.differences)[0]];
    expect(table).toBe('carts');
    expect(Number(stored?.['item_count'])).toBe(Number(recomputed?.['item_count']) + 1);
  } finally {
    await database.pool.query(
      `update store.carts set item_count = item_count - 1 where cart_key = (select min(cart_key::text)::uuid from store.carts)`,
    );
  }
});
