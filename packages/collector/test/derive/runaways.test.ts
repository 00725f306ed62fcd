/** SEMANTICS 3: whoever does more than a human can. */
import { expect, test } from 'vitest';
import { mergePersons } from '../../src/persons/merge.ts';
import { unmergePerson } from '../../src/persons/unmerge.ts';
import { database, useSite } from './fixture.ts';
import { expectVerified } from './views.ts';

const { given, rowsOf, siteId } = useSite();

const start = Date.parse('2026-01-05T10:00Z');
const hour = 3_600_000;

/** Views of a page, so many hours after the start. */
const views = (hours: number[], who = 'bot') =>
  hours.map((after) => ({ at: start + after * hour, anonymous_id: who }));

async function flagged(): Promise<unknown[]> {
  await expectVerified(database.pool);
  return (await rowsOf('persons')).map(({ is_runaway }) => is_runaway);
}

test('a person with over so many touchpoints in 24 h is flagged, and gives no signal', async () => {
  await given.settings({ runaway_limit: 3 });
  await given.touchpoints(views([0, 1, 2]));
  expect(await flagged()).toEqual([false]);
  expect(await rowsOf('current_stages')).toHaveLength(1);
  await given.touchpoints(views([3]));
  expect(await flagged()).toEqual([true]);
  expect(await rowsOf('persons')).toMatchObject([{ runaway_at: new Date(start + 3 * hour).toISOString() }]);
  expect(await rowsOf('current_stages')).toEqual([]);
  expect(await rowsOf('stage_transitions')).toEqual([]);
  expect(await rowsOf('sessions')).not.toEqual([]);
  await given.touchpoints(views([100]));
  expect(await flagged()).toEqual([true]);
});

test('any 24 hours count, not those of a day, and an instant 24 hours later is outside of them', async () => {
  await given.settings({ runaway_limit: 3 });
  await given.touchpoints(views([0, 8, 16, 24]));
  expect(await flagged()).toEqual([false]);
  await given.touchpoints(views([31.999]));
  expect(await flagged()).toEqual([true]);
});

test('touchpoints that come late count where they happened', async () => {
  await given.settings({ runaway_limit: 4 });
  await given.touchpoints(views([0, 10, 20, 30, 40, 50]));
  expect(await flagged()).toEqual([false]);
  await given.touchpoints(views([11]), { asOf: start + 60 * hour });
  expect(await flagged()).toEqual([false]);
  await given.touchpoints(views([12]), { asOf: start + 60 * hour });
  expect(await flagged()).toEqual([true]);
});

test('persons who are one by a merge are a human again once they are two', async () => {
  await given.settings({ runaway_limit: 3 });
  await given.touchpoints([...views([0, 1, 2], 'phone'), ...views([0.5], 'laptop')]);
  expect(await flagged()).toEqual([false, false]);
  const of = async (value: string) =>
    String((await rowsOf('identities')).find((row) => row['value'] === value)?.['person_id']);
  const [phone, laptop] = [await of('phone'), await of('laptop')];
  const said = { siteId: siteId(), author: 'desk' };
  await mergePersons(database.pool, { ...said, from: laptop, into: phone });
  await given.asOf(start + 10 * hour);
  expect(await flagged()).toEqual([true]);
  await unmergePerson(database.pool, { ...said, personId: laptop });
  await given.asOf(start + 11 * hour);
  expect(await flagged()).toEqual([false, false]);
  expect(await rowsOf('current_stages')).toHaveLength(2);
});

test('over 10,000 in 24 h it is by default, found among the many of a long history', async () => {
  const often = (count: number, from: number, ms: number) =>
    Array.from({ length: count }, (_, index) => ({ at: from + index * ms, anonymous_id: 'bot' }));
  await given.touchpoints(often(5_000, start, 20_000));
  await given.touchpoints(often(10_000, start + 200 * hour, 8_000));
  expect((await rowsOf('persons')).map(({ is_runaway }) => is_runaway)).toEqual([false]);
  await given.touchpoints([{ at: start + 200 * hour + 1, anonymous_id: 'bot' }], {
    asOf: start + 300 * hour,
  });
  expect(await flagged()).toEqual([true]);
}, 180_000);
