/** The database of a test file, with touchpoints given and views read back. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { SiteSettings } from '../../src/database/sites.ts';
import { Deriver } from '../../src/derive/derive.ts';
import { openSession } from '../../src/derive/session.ts';
import { importRates } from '../../src/rates/import.ts';
import { readRates } from '../../src/rates/read.ts';
import type { Row } from '../reference/model.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type Given, makeSite, removeSite, type Site, storeGiven, timeOf } from './given.ts';
import { compared, type Comparison, expectAsReference, rowsOfViews } from './views.ts';

let testDatabase: TestDatabase;
let deriver: Deriver;

// One for each test file that imports this: vitest loads modules anew for every file.
beforeAll(async () => {
  testDatabase = await createDatabase();
  deriver = await Deriver.open(testDatabase.pool);
});
afterAll(async () => {
  await deriver.close();
  await testDatabase.drop();
});

/** Has checkpoints kept every so many touchpoints of a person, instead of every 200. */
export function keepCheckpointsApart(touchpoints: number): void {
  beforeAll(async () => {
    const { pathname } = new URL(testDatabase.url);
    await testDatabase.pool.query(
      `alter database ${pathname.slice(1)} set milepost.checkpoint_distance = ${touchpoints}`,
    );
    await deriver.close();
    deriver = await Deriver.open(testDatabase.pool);
  });
}

/** The test file's database, and the one connection that derives in it. */
export const database = {
  get pool() {
    return testDatabase.pool;
  },
  /** Another connection that can derive. */
  session: () => openSession(testDatabase.pool),
  /** Derives what waits and lets every timer due at `asOf` happen, as deriveUntilIdle does. */
  async derive(asOf: number): Promise<void> {
    while ((await deriver.deriveBatches()) > 0);
    while (await deriver.deriveRateChanges({ isPatient: true }));
    while (await deriver.deriveGoalChanges({ isPatient: true }));
    await deriver.advanceClocks(new Date(asOf));
  },
  /** Fires every trigger due at an instant, as a serving collector does at that instant. */
  async fire(at: number): Promise<number> {
    return deriver.fireTriggers(new Date(at));
  },
};

/**
 * A fresh site for each test. After `given.touchpoints` the views are derived as of `asOf` (default: a minute after
 * the last touchpoint) and compared with the reference model as well.
 */
export function useSite() {
  let site: Site;
  const stored: number[] = [];
  const deriveAndCompare = async (asOf: number): Promise<void> => {
    await database.derive(asOf);
    await expectAsReference(database.pool, site, asOf);
  };
  beforeEach(async () => {
    stored.length = 0;
    site = await makeSite(database.pool);
  });
  afterEach(() => removeSite(database.pool, site));
  return {
    given: {
      async touchpoints(touchpoints: Given[], options: { asOf?: string | number } = {}): Promise<void> {
        await storeGiven(database.pool, site, touchpoints);
        stored.push(...touchpoints.map(({ at }) => timeOf(at)));
        await deriveAndCompare(
          options.asOf === undefined ? Math.max(...stored) + 60_000 : timeOf(options.asOf),
        );
      },
      /** Imports rates, as CSV or JSON, and derives what they change. Answers what the import did. */
      async rates(text: string, options: { asOf?: string | number } = {}) {
        const imported = await importRates(database.pool, { siteId: site.siteId, table: readRates(text) });
        await deriveAndCompare(
          options.asOf === undefined ? Math.max(0, ...stored) + 60_000 : timeOf(options.asOf),
        );
        return imported;
      },
      /** Moves the site's instant on. */
      asOf: (at: string | number): Promise<void> => deriveAndCompare(timeOf(at)),
      /** Moves the site's instant on and fires what is due at it. */
      async firing(at: string | number): Promise<void> {
        await deriveAndCompare(timeOf(at));
        await database.fire(timeOf(at));
      },
      async settings(changes: SiteSettings): Promise<void> {
        await removeSite(database.pool, site);
        site = await makeSite(database.pool, changes);
      },
    },
    siteId: (): number => site.siteId,
    rowsOf: async (view: string): Promise<Row[]> => (await rowsOfViews(database.pool, site, [view]))[view]!,
  };
}

/** One small case of many: a browser of that name, and what it did. */
export type Case = { who: string; touchpoints: Given[] };

/**
 * Many cases at one site, a person each, derived and compared with the reference model once.
 * `rowsOf(view, who)` gives the rows of that case's person.
 */
export function useCases(cases: Case[], settings: SiteSettings = {}) {
  let comparison: Comparison;
  beforeAll(async () => {
    const touchpoints = cases.flatMap(({ who, touchpoints: own }) =>
      own.map((touchpoint) => ({ anonymous_id: who, ...touchpoint })),
    );
    const asOf = Math.max(...touchpoints.map(({ at }) => timeOf(at))) + 60_000;
    const site = await makeSite(database.pool, settings);
    await storeGiven(database.pool, site, touchpoints);
    await database.derive(asOf);
    comparison = await compared(database.pool, site, asOf);
    await removeSite(database.pool, site);
  });
  test('the views are those of the reference model', () => {
    expect(comparison.found).toEqual(comparison.wanted);
  });
  return {
    rowsOf: (view: string, who: string): Row[] => {
      const { [view]: rows, identities } = comparison.derived;
      const persons = identities!.filter(({ value }) => value === who).map(({ person_id }) => person_id);
      return rows!.filter(({ person_id }) => persons.includes(person_id));
    },
  };
}
