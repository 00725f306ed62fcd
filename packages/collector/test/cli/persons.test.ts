import { afterAll, beforeAll, expect, test } from 'vitest';
import { Deriver } from '../../src/derive/derive.ts';
import { storeGiven } from '../derive/given.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { milepost } from '../support/program.ts';
import { createSite } from '../support/site.ts';

let database: TestDatabase;
let site: number;
beforeAll(async () => {
  database = await createDatabase();
  ({ siteId: site } = await createSite(database.pool));
  await storeGiven(database.pool, { siteId: site }, [
    { at: '2026-11-18T09:00Z', anonymous_id: 'phone', user_id: 'old' },
    { at: '2026-11-18T09:01Z', anonymous_id: 'laptop', user_id: 'new' },
  ]);
  const deriver = await Deriver.open(database.pool);
  while ((await deriver.deriveBatches()) > 0);
  await deriver.close();
});
afterAll(() => database.drop());

const person = (...args: string[]) =>
  milepost(['person', ...args, '--site', String(site)], { DATABASE_URL: database.url });

test('persons are merged, shown and given back', async () => {
  const merged = await person('merge', 'user_id:old', 'user_id:new', '--author', 'desk', '--json');
  const { from, into } = JSON.parse(merged.stdout) as { from: string; into: string };
  const shown = await person('show', from, '--json');
  expect(JSON.parse(shown.stdout)).toMatchObject({
    person_id: into,
    user_id: 'new',
    identities: expect.arrayContaining([
      expect.objectContaining({ value: 'old', cause: 'manual', former_person_id: from }),
    ]),
    corrections: [{ correction: 'merge', identity: 'user_id:old', other: 'user_id:new', author: 'desk' }],
  });
  expect((await person('show', 'anonymous_id:phone')).stdout).toMatch(/said by hand:\n.*merge/s);
  const undone = await person('unmerge', 'user_id:new', '--author', 'desk', '--note', 'no');
  expect(undone).toMatchObject({ code: 0, stdout: expect.stringMatching(from) });
  expect(JSON.parse((await person('show', from, '--json')).stdout)).toMatchObject({ person_id: from });
});

test('what cannot be done is told in a sentence', async () => {
  const refused = await person('merge', 'user_id:old', 'user_id:nobody', '--author', 'desk');
  expect(refused).toMatchObject({
    code: 1,
    stderr: `milepost: site ${site} has not seen user_id:nobody.\n`,
  });
  expect((await person('unmerge', 'user_id:old', '--author', 'desk')).code).toBe(1);
  expect((await person('show', 'nonsense')).stderr).toMatch('an identity like user_id:ada');
});
