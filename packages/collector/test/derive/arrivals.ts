/** Properties of arrival, for more than one distance between checkpoints. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SiteSettings } from '../../src/database/sites.ts';
import { day } from '../reference/inputs.ts';
import { database } from './fixture.ts';
import { type Given, makeSite, removeSite, type Site, storeGiven } from './given.ts';
import {
  choices,
  type Delivery,
  deliveryOf,
  history,
  someSettings,
  step,
  touchpointsOf,
  type Word,
  whoIsWho,
  words,
} from './histories.ts';
import { expectAsReference, expectVerified, textOfViews } from './views.ts';
import { propertyRuns } from '../support/properties.ts';

const { runs, timeout } = propertyRuns();
const { numRuns } = runs;

async function deliver(site: Site, { parts, instants }: Delivery): Promise<void> {
  for (const [index, part] of parts.entries()) {
    await storeGiven(database.pool, site, part);
    await database.derive(instants[index]!);
  }
}

/** Says what is due of identities that were seen by now, as nobody can name others. Resolves to what is left to say. */
async function say(site: Site, said: Word[], part: number): Promise<Word[]> {
  const { rows } = await database.pool.query<{ identity: string }>(
    `select type || ':' || value as identity from store.identities where site_id = $1`,
    [site.siteId],
  );
  const seen = new Set(rows.map(({ identity }) => identity));
  const isDue = ({ arrival, type, value, other_type, other_value }: Word): boolean =>
    arrival <= part && seen.has(`${type}:${value}`) && seen.has(`${other_type}:${other_value}`);
  const due = said.filter(isDue);
  if (due.length === 0) return said;
  const session = await database.session();
  for (const { at, arrival: _arrival, ...word } of due) {
    await session.query("select store.put_corrections($1, $2, 'test', null, $3)", [
      site.siteId,
      JSON.stringify([word]),
      new Date(at),
    ]);
  }
  await session.end();
  return said.filter((word) => !isDue(word));
}

async function withSite(settings: SiteSettings, use: (site: Site) => Promise<void>): Promise<void> {
  const site = await makeSite(database.pool, settings);
  try {
    await use(site);
  } finally {
    await removeSite(database.pool, site);
  }
}

function endOf(touchpoints: Given[], ...instants: number[]): number {
  return Math.max(...instants, ...touchpoints.map((touchpoint) => Number(touchpoint.at)));
}

/** Arrival order, batching, retries and duplicates of the same stored touchpoints never change any derived row. */
export function testArrivals(): void {
  test(
    'the views are those of the reference model',
    async () => {
      const pause = fc.constantFrom(0, day / 24, 30 * day, 180 * day);
      await fc.assert(
        fc.asyncProperty(history(40), someSettings, pause, async (touchpoints, settings, after) => {
          await withSite(settings, async (site) => {
            const asOf = endOf(touchpoints) + after;
            await storeGiven(database.pool, site, touchpoints);
            await database.derive(asOf);
            await expectAsReference(database.pool, site, asOf);
          });
        }),
        runs,
      );
    },
    timeout,
  );

  test(
    'who is who comes out the same however it arrived: shared browsers, cards, addresses, aliases and limits',
    async () => {
      const limits = fc.constantFrom<SiteSettings>(
        {},
        { identity_limit: 2 },
        { identity_limits: { anonymous_id: 2, card: 1 } },
        { identity_set_limit: 3 },
      );
      await fc.assert(
        fc.asyncProperty(whoIsWho(40), limits, choices, async (touchpoints, settings, how) => {
          const delivery = deliveryOf(touchpoints, how);
          const asOf = endOf(touchpoints, ...delivery.instants);
          await withSite(settings, async (site) => {
            await deliver(site, delivery);
            await database.derive(asOf);
            await expectAsReference(database.pool, site, asOf);
            await expectVerified(database.pool);
          });
        }),
        runs,
      );
    },
    timeout,
  );

  test(
    'who is who comes out the same whenever somebody merged or severed identities by hand',
    async () => {
      const limits = fc.constantFrom<SiteSettings>(
        {},
        {},
        { identity_limits: { anonymous_id: 2, card: 1 } },
        { identity_set_limit: 3 },
      );
      await fc.assert(
        fc.asyncProperty(whoIsWho(30), words, limits, choices, async (touchpoints, list, settings, how) => {
          const { parts, instants } = deliveryOf(touchpoints, how);
          const asOf = endOf(touchpoints, ...instants, ...list.map(({ at }) => at));
          await withSite(settings, async (site) => {
            let left = list;
            for (const [index, part] of parts.entries()) {
              await deliver(site, { parts: [part], instants: [instants[index]!] });
              left = await say(site, left, index);
            }
            await say(site, left, Infinity);
            await database.derive(asOf);
            await expectAsReference(database.pool, site, asOf);
            await expectVerified(database.pool);
          });
        }),
        runs,
      );
    },
    timeout,
  );

  test(
    'touchpoints shuffled, split, late and duplicated give byte-equal views, and verify finds no difference',
    async () => {
      await fc.assert(
        fc.asyncProperty(history(40), someSettings, choices, async (touchpoints, settings, how) => {
          const delivery = deliveryOf(touchpoints, how);
          const asOf = endOf(touchpoints, ...delivery.instants);
          let scattered = {};
          await withSite(settings, async (site) => {
            await deliver(site, delivery);
            await database.derive(asOf);
            scattered = await textOfViews(database.pool, site);
            await expectVerified(database.pool);
            await expectAsReference(database.pool, site, asOf);
          });
          await withSite(settings, async (site) => {
            await storeGiven(database.pool, site, touchpoints);
            await database.derive(asOf);
            expect(scattered).toEqual(await textOfViews(database.pool, site));
          });
        }),
        runs,
      );
    },
    timeout,
  );

  test(
    'touchpoints one by one in order, time passing between them, give the same as all at once',
    async () => {
      await fc.assert(
        fc.asyncProperty(history(12), someSettings, async (touchpoints, settings) => {
          const asOf = endOf(touchpoints);
          await withSite(settings, async (site) => {
            const parts = touchpoints.map((touchpoint) => [touchpoint]);
            await deliver(site, { parts, instants: touchpoints.map(({ at }) => Number(at)) });
            await expectAsReference(database.pool, site, asOf);
            await expectVerified(database.pool);
          });
        }),
        runs,
      );
    },
    timeout,
  );

  test(
    'touchpoints of two sites with the same ids, arriving together, stay apart',
    async () => {
      await fc.assert(
        fc.asyncProperty(history(20), history(20), choices, async (ones, others, how) => {
          const [one, other] = [deliveryOf(ones, how), deliveryOf(others, how)];
          const asOf = endOf([...ones, ...others], ...one.instants, ...other.instants);
          await withSite({}, async (site) => {
            await withSite({ currency: 'USD' }, async (neighbour) => {
              for (let part = 0; part < Math.max(one.parts.length, other.parts.length); part += 1) {
                await storeGiven(database.pool, site, one.parts[part] ?? []);
                await storeGiven(database.pool, neighbour, other.parts[part] ?? []);
                await database.derive(Math.max(one.instants[part] ?? 0, other.instants[part] ?? 0));
              }
              await database.derive(asOf);
              await expectAsReference(database.pool, site, asOf);
              await expectAsReference(database.pool, neighbour, asOf);
            });
          });
        }),
        { ...runs, numRuns: Math.ceil(numRuns / 3) },
      );
    },
    timeout,
  );

  test(
    'late touchpoints of a person with a long history change what follows them, and it ends as if they had been in time',
    async () => {
      const long = fc.array(step, { minLength: 700, maxLength: 700, size: 'max' });
      const late = fc.array(fc.nat({ max: 699 }), { minLength: 1, maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(long, late, someSettings, async (steps, positions, settings) => {
          const touchpoints = touchpointsOf(steps.map((one) => ({ ...one, wait: Math.min(one.wait, day) })));
          const asOf = endOf(touchpoints);
          const inTime = touchpoints.filter((_, index) => !positions.includes(index));
          await withSite(settings, async (site) => {
            await deliver(site, { parts: [inTime.slice(0, 400), inTime.slice(400)], instants: [0, asOf] });
            for (const position of positions) {
              await deliver(site, { parts: [[touchpoints[position]!]], instants: [asOf] });
            }
            await expectAsReference(database.pool, site, asOf);
            await expectVerified(database.pool);
          });
        }),
        { ...runs, numRuns: Math.ceil(numRuns / 10) },
      );
    },
    timeout,
  );
}
