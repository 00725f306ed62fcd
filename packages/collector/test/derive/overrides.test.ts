/** Stages set by hand: inputs, placed in their person's order like a touchpoint. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { setOverride, removeOverride } from '../../src/models/override.ts';
import { day } from '../reference/inputs.ts';
import { database } from './fixture.ts';
import { type Given, makeSite, removeSite, type Site, storeGiven } from './given.ts';
import { choices, deliveryOf, history } from './histories.ts';
import { expectAsReference, expectVerified, rowsOfViews, textOfViews } from './views.ts';
import { propertyRuns } from '../support/properties.ts';

const { runs, timeout } = propertyRuns();
const start = Date.parse('2026-01-05T10:00Z');
const ada = { type: 'anonymous_id', value: 'ada' };

async function withHistory(
  touchpoints: Omit<Given, 'anonymous_id'>[],
  asOf: number,
  use: (site: Site) => Promise<void>,
): Promise<void> {
  const site = await makeSite(database.pool);
  await storeGiven(
    database.pool,
    site,
    touchpoints.map((touchpoint) => ({ anonymous_id: 'ada', ...touchpoint })),
  );
  await database.derive(asOf);
  await use(site);
  await expectAsReference(database.pool, site, asOf);
  await expectVerified(database.pool);
  await removeSite(database.pool, site);
}

function override(site: Site, stage: string, from: number, until?: number) {
  return setOverride(database.pool, {
    siteId: site.siteId,
    whose: ada,
    stage,
    from: new Date(from),
    until: until === undefined ? undefined : new Date(until),
    author: 'desk',
    note: 'called us',
  });
}

async function transitions(site: Site) {
  const { stage_transitions: rows } = await rowsOfViews(database.pool, site, ['stage_transitions']);
  return rows!.sort((one, other) => Number(one['transition_number']) - Number(other['transition_number']));
}

async function path(site: Site): Promise<string> {
  return (await transitions(site)).map(({ to_stage }) => to_stage).join(' ');
}

test('an override is a transition with its cause and author', async () => {
  await withHistory([{ at: start }], start + day, async (site) => {
    const { overrideId, personId } = await override(site, 'purchase', start + 1_000);
    expect(await transitions(site)).toMatchObject([
      {},
      {
        transition_id: overrideId,
        person_id: personId,
        from_stage: 'awareness',
        to_stage: 'purchase',
        occurred_at: '2026-01-05T10:00:01.000Z',
        cause: 'override',
        author: 'desk',
        touchpoint_id: null,
        signal: null,
        rule: 'override',
        direction: 'forward',
        skipped_stages: ['consideration', 'decision'],
        seconds_in_from_stage: 1,
      },
    ]);
  });
});

test('the machine goes on from the stage given', async () => {
  await withHistory([{ at: start }, { at: start + 60_000, name: 'login' }], start + day, async (site) => {
    await override(site, 'purchase', start + 1_000);
    expect(await path(site)).toBe('awareness purchase retention');
  });
});

test('with until, signals and timers before it move nothing', async () => {
  await withHistory(
    [
      { at: start, name: 'add_to_cart' },
      { at: start + 10 * day, name: 'purchase' },
      { at: start + 50 * day, name: 'view_item' },
      { at: start + 50 * day + 60_000, name: 'add_to_cart' },
    ],
    start + 51 * day,
    async (site) => {
      await override(site, 'decision', start + 5 * day, start + 45 * day);
      expect(await path(site)).toBe('decision decision');
    },
  );
});

test('a timer after until fires', async () => {
  await withHistory([{ at: start, name: 'add_to_cart' }], start + 60 * day, async (site) => {
    await override(site, 'decision', start + 5 * day, start + 35 * day);
    expect(await path(site)).toBe('decision decision consideration');
    expect((await transitions(site))[2]).toMatchObject({ occurred_at: '2026-02-09T10:00:00.000Z' });
  });
});

test('a stage set before a person did anything counts under the channel that comes later', async () => {
  await withHistory([{ at: start, type: 'identify', user_id: 'u1' }], start + day, async (site) => {
    await override(site, 'consideration', start + 1_000);
    const visit = { anonymous_id: 'ada', at: start + 60_000, context: { campaign: { gclid: 'x' } } };
    await storeGiven(database.pool, site, [visit]);
    await database.derive(start + day);
    const { stage_metrics: rows } = await rowsOfViews(database.pool, site, ['stage_metrics']);
    expect(rows).toMatchObject([{ channel: 'Paid Search', stage: 'consideration', entered: 1 }]);
  });
});

test('undone, it never was', async () => {
  await withHistory([{ at: start }, { at: start + 60_000, name: 'view_item' }], start + day, async (site) => {
    const before = await textOfViews(database.pool, site);
    const { overrideId } = await override(site, 'advocacy', start + 1_000);
    expect(await path(site)).toBe('awareness advocacy');
    expect(await removeOverride(database.pool, { siteId: site.siteId, overrideId })).toBe(true);
    expect(await textOfViews(database.pool, site)).toEqual(before);
    expect(await removeOverride(database.pool, { siteId: site.siteId, overrideId })).toBe(false);
  });
});

test('a stage that the model has not, and one in the future, are refused', async () => {
  await withHistory([{ at: start }], start + day, async (site) => {
    await expect(override(site, 'bliss', start)).rejects.toThrow(/the stages of this site are awareness/);
    await expect(override(site, 'decision', Date.now() + day)).rejects.toThrow(/future/);
    await expect(override(site, 'decision', start, start)).rejects.toThrow(/ends after it begins/);
  });
});

test(
  'histories with overrides, in any order of arrival, give the views of the reference model, and verify finds no difference',
  async () => {
    const stages = ['awareness', 'consideration', 'decision', 'purchase', 'retention', 'advocacy'];
    const overrides = fc.array(
      fc.record({
        who: fc.constantFrom('phone', 'laptop', 'kiosk', 'u1', 'u2'),
        stage: fc.constantFrom(...stages),
        after: fc.integer({ min: 0, max: 60 * 24 }),
        held: fc.constantFrom(0, 0, 1, 30, 40),
      }),
      { minLength: 1, maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(history(30), overrides, choices, async (touchpoints, given, how) => {
        const site = await makeSite(database.pool);
        const { parts, instants } = deliveryOf(touchpoints, how);
        for (const [index, part] of parts.entries()) {
          await storeGiven(database.pool, site, part);
          await database.derive(instants[index]!);
          for (const { who, stage, after, held } of given.filter(
            (_, number) => number % parts.length === index,
          )) {
            const from = new Date(start + after * 3_600_000);
            await setOverride(database.pool, {
              siteId: site.siteId,
              whose: { type: who.startsWith('u') ? 'user_id' : 'anonymous_id', value: who },
              stage,
              from,
              until: held === 0 ? undefined : new Date(from.getTime() + held * day),
              author: 'desk',
            }).catch((error: Error) => {
              if (!/nobody of this site/.test(error.message)) throw error;
            });
          }
        }
        await database.derive(Math.max(...instants));
        await expectAsReference(database.pool, site, Math.max(...instants));
        await expectVerified(database.pool);
        await removeSite(database.pool, site);
      }),
      runs,
    );
  },
  timeout,
);
